"""Videos: every frame at its time, with sound, colours and turn; parts that are gone on with; no flicker."""

from fractions import Fraction

import av
import numpy as np
import pytest
from clips import frames_of, packets_of, write_clip

from realsr_mod.inference import video_formats as kinds
from realsr_mod.inference.batch import run_jobs
from realsr_mod.inference.outcome import Settings
from realsr_mod.inference.plan import plan
from realsr_mod.inference.video import make, source, survey


class Doubling:
    """Makes frames twice as large, as a network would that does nothing else."""

    outscale, size, identity = None, None, "doubling"

    def __init__(self, stop_after: int | None = None) -> None:
        self.degrees, self.stop_after = {}, stop_after
        self.embeddings: list[float] = []

    def result_size(self, height, width):
        return 2 * height, 2 * width

    def settle(self, frames):
        return np.array([np.mean(frames)], np.float32)

    def __call__(self, frame, embedding):
        self.embeddings.append(float(embedding[0]))
        if len(self.embeddings) == self.stop_after:
            raise KeyboardInterrupt
        return frame.repeat(2, axis=0).repeat(2, axis=1)


def upscaled(path, output, steady=None, said=None, **settings):
    """The outcome of one video."""
    steady, settings = steady or Doubling(), Settings(**{"crf": 0} | settings)
    say = said.append if said is not None else lambda line: None
    [outcome] = run_jobs(plan([path], output), lambda *_: None, settings, lambda *_: None, steady, say=say)
    return outcome


@pytest.fixture(autouse=True)
def _short_parts(monkeypatch):
    monkeypatch.setattr(make, "SHORTEST_PART", 6)
    monkeypatch.setattr(make, "LONGEST_PART", 6)


def times_of(frames):
    return [float(frame.pts * frame.time_base) for frame in frames]


@pytest.mark.parametrize(
    ("name", "codec", "sound"),
    [("a.mp4", "libx264", "aac"), ("a.mov", "libx264", "aac"), ("a.mkv", "libx265", "libopus")],
)
@pytest.mark.parametrize("uneven", [False, True])
def test_frames_keep_their_times_and_sound_its_bytes(name, codec, sound, uneven, tmp_path):
    size = (96, 64) if codec == "libx265" else (48, 32)
    times = write_clip(tmp_path / name, size=size, codec=codec, sound=sound, uneven=uneven)
    outcome = upscaled(tmp_path / name, tmp_path / "out")
    assert (outcome.failure, outcome.path) == ("", tmp_path / "out" / name)
    frames, before = frames_of(outcome.path), frames_of(tmp_path / name)
    assert times_of(frames) == times_of(before)
    np.testing.assert_allclose(times_of(frames), np.array(times) / 90_000, atol=1e-3)  # Matroska counts in these
    assert packets_of(outcome.path, "audio") == packets_of(tmp_path / name, "audio")
    assert frames[-1].duration * frames[-1].time_base == before[-1].duration * before[-1].time_base
    for larger, frame in zip(frames, before, strict=True):
        shown = larger.to_ndarray(format="rgb24").astype(int)[4:-4:2, 4:-4:2]
        assert np.abs(shown - frame.to_ndarray(format="rgb24")[2:-2, 2:-2]).mean() < 4  # half of the color goes
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]


def test_subtitles_chapters_and_fonts_are_copied(tmp_path):
    write_clip(tmp_path / "plain.mkv", 8)
    milliseconds = Fraction(1, 1000)
    chapter = {"id": 1, "start": 0, "end": 300, "time_base": milliseconds, "metadata": {"title": "one"}}
    with av.open(str(tmp_path / "plain.mkv")) as plain, av.open(str(tmp_path / "a.mkv"), "w") as file:
        video = file.add_stream_from_template(plain.streams.video[0], opaque=True)
        said = file.add_mux_stream("subrip")
        said.time_base, said.metadata["language"] = milliseconds, "deu"
        file.add_attachment("font.ttf", "application/x-truetype-font", b"font")
        file.set_chapters([chapter])
        words = av.Packet(b"Guten Tag")
        words.pts, words.dts, words.duration, words.time_base, words.stream = 40, 40, 80, milliseconds, said
        file.mux_one(words)
        for packet in plain.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                file.mux_one(packet)
    outcome = upscaled(tmp_path / "a.mkv", tmp_path / "out")
    assert packets_of(outcome.path, "subtitle") == [(0.04, b"Guten Tag")]
    with av.open(str(outcome.path)) as file:
        assert [stream.type for stream in file.streams] == ["video", "subtitle", "attachment"]
        assert file.streams.subtitles[0].language == "deu"
        assert [found["metadata"] for found in file.chapters()] == [{"title": "one"}]
    [outcome] = run_jobs(
        plan([tmp_path / "a.mkv"], tmp_path / "b.mp4"), lambda *_: None, Settings(), lambda *_: None, Doubling()
    )
    assert outcome.failure == ".mp4 holds no subtitle of the kind subrip; -o NAME.mkv holds it"


@pytest.mark.parametrize("colors", [(1, 1, 1, 1), (6, 6, 6, 1), (9, 9, 16, 1), (1, 1, 1, 2)])
def test_turn_and_colors_are_carried(colors, tmp_path):
    pixel_format = "yuv420p10le" if colors[0] == 9 else "yuv444p"
    codec = "libx265" if colors[0] == 9 else "libx264"
    size = (96, 64) if codec == "libx265" else (48, 32)
    write_clip(tmp_path / "a.mp4", 3, size, codec=codec, pixel_format=pixel_format, turned=90, colors=colors)
    outcome = upscaled(tmp_path / "a.mp4", tmp_path / "out", codec="hevc" if colors[0] == 9 else "auto")
    [before, *_], [after, *_] = frames_of(tmp_path / "a.mp4"), frames_of(outcome.path)
    said = [(f.colorspace, f.color_primaries, f.color_trc, f.color_range, f.rotation) for f in (before, after)]
    assert said == [(*colors, 90)] * 2
    assert ("10" in after.format.name) == (colors[0] == 9)
    shown = [frame.to_ndarray(format="rgb24").mean(axis=(0, 1)) for frame in (before, after)]
    assert np.abs(shown[0] - shown[1]).max() < 2  # another matrix or range would be off by ten


def test_a_still_clip_does_not_flicker(tmp_path):
    write_clip(tmp_path / "a.mp4", 14, still=True, pixel_format="yuv420p")
    first, *others = [frame.to_ndarray(format="rgb24").astype(int) for frame in frames_of(tmp_path / "a.mp4")]
    assert max(np.abs(first - other).max() for other in others) == 0
    outcome = upscaled(tmp_path / "a.mp4", tmp_path / "out")
    first, *others = [frame.to_ndarray(format="rgb24").astype(int) for frame in frames_of(outcome.path)]
    assert (len(others), max(np.abs(first - other).max() for other in others)) == (13, 0)


def test_what_is_left_out_is_said(tmp_path):
    write_clip(tmp_path / "clear.mkv", 2, codec="ffv1", pixel_format="yuva444p")
    assert upscaled(tmp_path / "clear.mkv", tmp_path / "out").notes == ("its transparency is left out",)
    lights = {"x265-params": "max-cll=1000,400:log-level=error"}
    # Of two frames alone, x265 gives packets that no container takes about once in 150 times.
    write_clip(tmp_path / "bright.mkv", 3, (96, 64), codec="libx265", options=lights)
    [note] = upscaled(tmp_path / "bright.mkv", tmp_path / "out").notes
    assert note.startswith("how bright a screen of HDR should be is left out")


def test_each_shot_has_one_embedding(tmp_path):
    write_clip(tmp_path / "a.mp4", 40, shots=(0, 15, 28))
    steady = Doubling()
    upscaled(tmp_path / "a.mp4", tmp_path / "out", steady)
    found = steady.embeddings[2:]  # two to see how long they take
    assert len(found) == 40
    assert [len(set(found[start:stop])) for start, stop in ((0, 15), (15, 28), (28, 40))] == [1, 1, 1]
    assert len(set(found)) == 3


def test_flashes_and_slow_changes_are_no_shots():
    assert not survey._differ(np.full((36, 64), 100.0), np.full((36, 64), 110.0))
    assert survey._differ(np.full((36, 64), 20.0), np.full((36, 64), 200.0))


def test_whoever_is_stopped_goes_on_at_the_part(tmp_path):
    write_clip(tmp_path / "a.mp4", 20, uneven=True, sound="aac")
    whole = frames_of(upscaled(tmp_path / "a.mp4", tmp_path / "whole").path)
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        upscaled(tmp_path / "a.mp4", tmp_path / "out", Doubling(stop_after=2 + 15), said)
    assert said[-1] == "a.mp4: 12 of 20 frames are kept for the same command"
    assert not (tmp_path / "out" / "a.mp4").exists()
    steady = Doubling()
    outcome = upscaled(tmp_path / "a.mp4", tmp_path / "out", steady, said)
    assert (outcome.failure, len(steady.embeddings)) == ("", 20 - 12)
    assert "12 of them done" in said[-1]
    for frame, expected in zip(frames_of(outcome.path), whole, strict=True):
        assert frame.pts == expected.pts
        np.testing.assert_array_equal(frame.to_ndarray(), expected.to_ndarray())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.mp4"]


def test_parts_left_behind_by_who_was_killed_at_the_end_are_removed(tmp_path):
    write_clip(tmp_path / "a.mp4", 20)
    with pytest.raises(KeyboardInterrupt):
        upscaled(tmp_path / "a.mp4", tmp_path / "out", Doubling(stop_after=2 + 15))
    (tmp_path / "out" / "a.mp4").touch()
    assert upscaled(tmp_path / "a.mp4", tmp_path / "out").kept
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.mp4"]


def test_parts_of_another_command_are_not_gone_on_with(tmp_path):
    write_clip(tmp_path / "a.mp4", 20)
    with pytest.raises(KeyboardInterrupt):
        upscaled(tmp_path / "a.mp4", tmp_path / "out", Doubling(stop_after=2 + 15))
    steady = Doubling()
    steady.identity = "another"
    upscaled(tmp_path / "a.mp4", tmp_path / "out", steady)
    assert len(steady.embeddings) == 2 + 20


def test_the_time_is_told_before(tmp_path):
    write_clip(tmp_path / "a.mp4", 4)
    said: list[str] = []
    upscaled(tmp_path / "a.mp4", tmp_path / "out", said=said)
    assert said[-1].startswith("a.mp4: 4 frames of 48x32 to 96x64, ")
    assert "a second: about" in said[-1]


def cut(path, share):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def test_bad_files_are_one_sentence_and_leave_nothing_behind(tmp_path):
    for name in ("cut.mp4", "cut.mkv"):
        write_clip(tmp_path / name, 60, sound="aac")
        cut(tmp_path / name, 0.5)
    (tmp_path / "none.mp4").write_bytes(b"no video at all" * 50)
    (tmp_path / "empty.mov").touch()
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    write_clip(tmp_path / "large.mp4", 2)
    reasons = {
        "cut.mp4": "not a video, or a truncated or damaged one",
        "cut.mkv": "truncated: it ends after ",
        "none.mp4": "not a video, or a truncated or damaged one",
        "empty.mov": "not a video, or a truncated or damaged one",
        "list.mp4": "not a video, or a truncated or damaged one",
        "large.mp4": "it has 48x32 pixels, the limit is",
        "missing.mp4": "no such file",
    }
    for name, reason in reasons.items():
        outcome = upscaled(tmp_path / name, tmp_path / "out", max_pixels=1000 if name == "large.mp4" else 10**8)
        assert outcome.failure.startswith(reason), (name, outcome.failure)
        assert "\n" not in outcome.failure
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_names_and_codecs(tmp_path):
    write_clip(tmp_path / "a.mp4", 2, sound="aac")
    write_clip(tmp_path / "a.avi", 2)

    def named(name, given="a.mp4", **settings):
        [job] = plan([tmp_path / given], tmp_path / name)
        [outcome] = run_jobs([job], lambda *_: None, Settings(**settings), lambda *_: None, Doubling())
        return outcome.failure or outcome.path.name

    assert named("out", "a.avi") == "a.mkv"
    assert named("b.mkv", codec="ffv1") == "b.mkv"
    assert [frame.format.name for frame in frames_of(tmp_path / "b.mkv")] == ["yuv444p"] * 2
    assert named("b.mp4", codec="av1") == "b.mp4"
    assert len(frames_of(tmp_path / "b.mp4")) == 2
    assert named("b.mp4") == "b.mp4"  # kept
    assert named("c.mp4", codec="ffv1").startswith(".mp4 holds no ffv1 that players know, but h264")
    assert named("c.webm") == ".webm holds no audio of the kind aac; -o NAME.mkv holds it"
    write_clip(tmp_path / "small.mp4", 2, (30, 40))
    assert named("d.mp4", "small.mp4", codec="hevc") == "hevc has sides of at least 64 px, not 60x80; --codec h264"
    assert named("c.png").startswith("it is a video, and no .png is written of it")
    with pytest.raises(ValueError, match=r"no \.avi is written here; choose one of \.mp4"):
        named("c.avi")


def test_without_pyav_the_way_to_it_is_said(tmp_path, monkeypatch):
    write_clip(tmp_path / "a.mp4", 2)
    monkeypatch.setattr(kinds, "find_spec", lambda name: None)
    assert upscaled(tmp_path / "a.mp4", tmp_path / "out").failure == (
        "videos need an extra: pip install 'realsr-mod[video]'"
    )


def test_crf_is_within_what_the_codec_knows():
    kinds.check_crf("auto", 60)
    with pytest.raises(ValueError, match=r"--crf must be from 0 \(lossless, or nearly\) to 51 \(worst\), got 52"):
        kinds.check_crf("h264", 52)
    with pytest.raises(ValueError, match="--crf 3: ffv1 is lossless"):
        kinds.check_crf("ffv1", 3)


def test_what_is_known_of_an_open_video(tmp_path):
    write_clip(tmp_path / "a.mp4", 2)
    with source.open_video(tmp_path / "a.mp4", None) as found:
        assert (found.size, found.is_deep, float(found.rate)) == ((48, 32), False, 25.0)
