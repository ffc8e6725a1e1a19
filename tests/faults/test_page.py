"""Two hundred requests of all kinds to the page, and what else could stop it or fill it."""

import itertools
import json
import signal
import socket
import threading
import time
from contextlib import suppress

import numpy as np
import pytest
from faults import bombs
from pages import API, PLAIN, SLIDERS, Visitor, file, png, save_models, served

pytest.importorskip("gradio", reason="the web page's extra is not installed: pip install 'realsr-mod[app]'")

SEED = 7
REQUESTS = 200
MEMORY_MB = 64  # for photos
JSON = {"Content-Type": "application/json"}


SLOW = """
import time
from realsr_mod.inference.studio import Studio
opened = Studio.open
Studio.open = lambda studio, content, name: (time.sleep(20 if "slow" in name else 0), opened(studio, content, name))[1]
"""


def photo(number: int, side: int = 40) -> bytes:
    return png(np.random.default_rng(number).integers(0, 256, (side, side + 20, 3), np.uint8))


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> list[str]:
    models = save_models(tmp_path_factory.mktemp("secret_server_folder"))
    return [*models, "--photo-memory-mb", str(MEMORY_MB), "--max-upload-mb", "2", "--allowed-host", "photos.lan"]


@pytest.fixture(scope="module")
def page(options, tmp_path_factory):
    with served(options, tmp_path_factory.mktemp("page")) as page:
        yield page


def works(page) -> None:
    """A good photo is opened, and becomes larger."""
    visitor = Visitor(page)
    assert "error" not in visitor.opens("good.png", photo(0))
    assert "60×40 → 120×80" in visitor.upscales()["data"][3]


def is_unharmed(page) -> None:
    assert page.process.poll() is None
    assert "Traceback" not in page.logged()
    works(page)


# --- kinds of requests; each returns the status it must get, and the one it got ---


def unknown_event(page, number: int) -> tuple[set[int], int, str]:
    index = [99, -1, "0", None, True, 10**400, 1.5, [], {}][number % 9]
    return {422}, *page.join({"fn_index": index, "data": [], "session_hash": "a"})


def broken_json(page, number: int) -> tuple[set[int], int, str]:
    body = [b"{", b"", b"[" * 50_000, b"\xff\xfe\x00", b"{" + photo(number)[:100], b'{"a":' * 9_000][number % 6]
    return {400}, *page.join(body)


def wrong_types(page, number: int) -> tuple[set[int], int, str]:
    visitor = Visitor(page)
    opening, sliding = visitor.number("upload"), visitor.after(visitor.number("release"))
    wrong = [
        (opening, [None]),
        (opening, [5]),
        (opening, [[]]),
        (opening, [[None]]),
        (opening, [file("/etc/passwd")]),
        (opening, [[file("/etc/passwd")]]),
        (opening, [[file("/etc/passwd")] * 51]),
        (opening, [[file("http://127.0.0.1:1/a.png")]]),
        (opening, [[file("a\0.png")]]),
        (opening, [[file("x" * 9_999)]]),
        (opening, "text"),
        (opening, []),
        (sliding, [None, None, "nothing of that name", "2×", 0, 0.5, 0.5]),
        (sliding, [None, None, [], "2×", 0, 0.5, 0.5]),
        (sliding, [None, None, SLIDERS, "9×", 0, 0.5, 0.5]),
        (sliding, [None, None, SLIDERS, 2, 0, 0.5, 0.5]),
        (sliding, [None, None, SLIDERS, "2×", "0.5", 0.5, 0.5]),
        (sliding, [None, None, SLIDERS, "2×", 0, 0.5, 7]),
        (sliding, [None, None, SLIDERS, "2×", 0, float("nan"), 0.5]),
        (sliding, [None, None, SLIDERS, "2×", 0, True, 0.5]),
        (visitor.number("select"), []),
    ]
    event, data = wrong[number % len(wrong)]
    return {422}, *page.join({"fn_index": event, "data": data, "session_hash": "a"})


def foreign_host(page, number: int) -> tuple[set[int], int, str]:
    host = ["evil.example", "localhost.evil.example", "10.0.0.1", "a b", "localhost@evil.example"][number % 5]
    way = [("GET", "/"), ("GET", "/config"), ("POST", f"{API}/queue/join"), ("POST", f"{API}/upload")][number % 4]
    return {403}, *page.ask(*way, b"{}", {"Host": host, **JSON})


def foreign_site(page, number: int) -> tuple[set[int], int, str]:
    origin = ["http://evil.example", "null", "https://localhost.evil.example"][number % 3]
    return {403}, *page.ask("POST", f"{API}/upload", b"x", {"Origin": origin})


def other_paths(page, number: int) -> tuple[set[int], int, str]:
    path = [
        ("GET", f"{API}/file=/etc/passwd"),
        ("GET", f"{API}/file=http://127.0.0.1:1/x"),
        ("GET", f"{API}/proxy=http://127.0.0.1:1/x"),
        ("GET", "/static/../../x"),
        ("GET", f"{API}/queue/data"),
        ("GET", f"{API}/deep_link"),
        ("POST", f"{API}/run/upscale"),
        ("POST", f"{API}/component_server"),
        ("POST", f"{API}/cancel"),
        ("PUT", "/"),
    ][number % 10]
    return set(range(400, 500)), *page.ask(*path, b"{}" if path[0] == "POST" else None, JSON)


def broken_upload(page, number: int) -> tuple[set[int], int, str]:
    kind = {"Content-Type": "multipart/form-data; boundary=a"}
    field = b'--a\r\nContent-Disposition: form-data; name="files"'
    body, path, headers = [
        (b"x", "", kind),
        (b"x", "", {}),
        (b"x", "", {"Content-Type": "multipart/form-data"}),
        (field + b"\r\n\r\nno file\r\n--a--\r\n", "", kind),
        (field + b"\r\n\r\nno file\r\n--a--\r\n", "?upload_id=a", kind),
        (field + b'; filename=".."\r\n\r\nx\r\n--a--\r\n', "", kind),
        (field + b'; filename="a.png"\r\n\r\n' + bytes(4_000_000) + b"\r\n--a--\r\n", "", kind),
    ][number % 7]
    return set(range(400, 500)), *page.ask("POST", f"{API}/upload{path}", body, headers)


def nonsense(page, number: int) -> tuple[set[int], int, str]:
    """Bytes that are no HTTP."""
    rng = np.random.default_rng(number)
    with socket.create_connection(("127.0.0.1", page.port), timeout=20) as connection:
        connection.sendall(
            [rng.bytes(500), b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"/" * 99_999][number % 3] + b"\r\n\r\n"
        )
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(100).decode("latin-1")
    return {0, 400, 403}, int(answer.split()[1]) if answer else 0, ""


def good_photo(page, number: int) -> tuple[set[int], int, str]:
    visitor = Visitor(page)
    output = visitor.opens(f"{number}.png", photo(number, 600))
    return {200}, 500 if "error" in output else 200, ""


NO_PHOTOS = {
    "text.png": lambda: b"I am a text",
    "nothing.png": lambda: b"",
    "half.png": lambda: photo(0)[:900],
    "lzma.tif": lambda: bombs.grey_alpha_stream(bombs.zeros_lzma(300), 34925),
    "scans.jpg": lambda: bombs.progressive(1000),
    **{name: bombs.BOMBS[name][0] for name in ("tiles_1_gb.tif", "exif_ring.tif", "two_widths.tif", "exif.jpg")},
    **{name: bombs.BOMBS[name][0] for name in ("pixels_900_mp.png", "exif.png", "canvas.webp", "header.bmp")},
}


def no_photo(page, number: int) -> tuple[set[int], int, str]:
    """What is no photo, or a bomb, ends with a sentence that names it."""
    name = list(NO_PHOTOS)[number % len(NO_PHOTOS)]
    said = Visitor(page).opens(name, NO_PHOTOS[name]()).get("error")
    assert said, f"{name} was opened"
    assert name in said
    assert str(page.folder) not in said
    return {200}, 200, said


def test_one_visitor_cannot_take_all_places_and_others_are_served(options, tmp_path):
    with served(options, tmp_path, before=SLOW) as page:
        greedy = Visitor(page, "192.0.2.1")
        place = greedy.upload("slow.png", photo(1))
        event = greedy.number("upload")
        statuses = [greedy.start(event, [file(place)]) for _ in range(30)]
        assert [status for status, _ in statuses] == [200] * 4 + [429] * 26
        assert json.loads(statuses[-1][1])["detail"].startswith("4 of your photos are waiting or worked on already")
        started = time.monotonic()
        works(page)
        assert time.monotonic() - started < 10


def test_no_visitor_is_told_where_the_files_lie(page):
    visitor = Visitor(page)
    place = visitor.upload("a.png", photo(5))
    assert place.startswith("/of_visitors/uploads/")
    assert page.ask("GET", f"{API}/file={place}")[0] == 200
    said = [json.dumps(visitor.does(visitor.number("upload"), [file(place)])), json.dumps(visitor.upscales())]
    said += [page.ask("GET", path)[1] for path in ("/", "/config", f"{API}/info")]
    assert not [text for text in said if str(page.folder) in text or "realsr_mod_page_" in text]
    assert any("/of_visitors/" in text for text in said)


def test_the_limit_of_pixels_names_no_option_that_visitors_lack(page):
    said = Visitor(page).opens("large.png", png(np.zeros((6000, 5000), np.uint8)))["error"]
    assert "the limit is 25 megapixels; shrink it, cut it into parts, or ask whoever runs this page" in said
    assert "data." not in said


KINDS = [unknown_event, broken_json, wrong_types, foreign_host, foreign_site, other_paths, broken_upload, nonsense]


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_page_does_not_send_is_refused_with_a_sentence(page, kind):
    for number in range(3):
        expected, status, text = kind(page, number)
        assert status in expected, text
        assert "secret_server_folder" not in text


def test_after_all_that_the_page_works_and_its_log_shows_no_traceback(page):
    assert page.join({"fn_index": 99, "data": [], "session_hash": "a"})[0] == 422
    assert page.ask("GET", f"{API}/queue/data?session_hash=nobody")[0] == 200  # a stream that says so
    assert page.ask("GET", "/", headers={"Host": "photos.lan"})[0] == 200
    is_unharmed(page)


@pytest.mark.fault
@pytest.mark.timeout(600)
def test_two_hundred_requests_of_all_kinds(page):
    works(page)
    before = page.memory_mb()
    kinds = itertools.cycle([*KINDS, good_photo, no_photo])
    order = np.random.default_rng(SEED).permutation(REQUESTS).tolist()
    for number, kind in zip(order, kinds, strict=False):
        expected, status, text = kind(page, number)
        assert status in expected, f"{kind.__name__} {number}: {text}"
    assert page.memory_mb() - before < MEMORY_MB + 150
    is_unharmed(page)


@pytest.mark.fault
@pytest.mark.timeout(600)
def test_memory_does_not_grow_with_visitors(page):
    content = png(np.zeros((1500, 2000, 3), np.uint8))  # 9 MB when opened
    grown = []
    works(page)
    before = page.memory_mb()
    for number in range(60):
        assert "error" not in Visitor(page).opens(f"{number}.png", content)
        grown.append(page.memory_mb() - before)
    assert max(grown) < MEMORY_MB + 150  # of 540
    assert max(grown[30:]) - max(grown[:30]) < 70  # of 270


@pytest.mark.fault
def test_a_killed_pages_photos_are_removed_by_the_next(options, tmp_path):
    with served(options, tmp_path) as page:
        works(page)
        page.process.send_signal(signal.SIGKILL)
        page.process.wait(30)
        killed = page.left()
        assert any(path.is_dir() for path in killed)
    with served(options, tmp_path) as page:
        assert not set(killed) & set(page.left())
        works(page)
    assert not page.left()


@pytest.mark.fault
def test_uploads_and_results_are_removed_after_a_while(options, tmp_path):
    with served([*options, "--keep-minutes", "0.1"], tmp_path) as page:
        works(page)
        [folder] = (path for path in page.left() if path.is_dir())
        assert list(folder.glob("uploads/*/good.png"))
        assert list(folder.glob("uploads/*/good_x2.png"))
        end = time.monotonic() + 30
        while list(folder.rglob("good*")) and time.monotonic() < end:
            time.sleep(0.2)
        assert not list(folder.rglob("good*"))
        assert page.ask("GET", "/")[0] == 200
        visitor = Visitor(page)
        assert "error" not in visitor.does(visitor.number("select"), event_data={"index": 0})  # examples stay


def opens_slowly(page) -> None:
    with suppress(AssertionError, OSError):  # the page ends first
        Visitor(page).opens("slow.png", photo(1))


@pytest.mark.fault
def test_one_visitors_slow_photo_does_not_keep_another_waiting(options, tmp_path):
    with served(options, tmp_path, before=SLOW) as page:
        works(page)
        slow = threading.Thread(target=opens_slowly, args=(page,))
        slow.start()
        time.sleep(1)
        started = time.monotonic()
        works(page)
        assert time.monotonic() - started < 10
        assert slow.is_alive()
        started = time.monotonic()
        page.process.terminate()  # nor does it keep the page from ending
        assert page.process.wait(30) == 0
        assert time.monotonic() - started < 10
        assert not page.left()
    slow.join(30)


@pytest.mark.fault
def test_events_that_overtake_each_other_never_mix_models(page):
    """Sliders of one model and the choice of another, sent at once from one session, again and again."""
    visitor = Visitor(page)
    visitor.opens("a.png", photo(3))
    upscale = visitor.after(visitor.number("release"))
    for _ in range(10):
        started = {}
        for model in (SLIDERS, PLAIN):
            status, text = visitor.start(upscale, None, None, model, "2×", 0, 0.5, 0.5)
            assert status == 200, text
            started[json.loads(text)["event_id"]] = model
        for event, output in visitor.results(len(started)).items():
            said = output["data"][3]
            assert ("noise" in said) == (started[event] == SLIDERS), said
    is_unharmed(page)
