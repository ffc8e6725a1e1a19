from pathlib import Path

from rich.console import Console

from realsr_mod.inference.outcome import Outcome
from realsr_mod.inference.plan import Job
from realsr_mod.inference.progress import show_outcomes

JOBS = [Job(Path(name), Path("out") / name, Path(name)) for name in ("a.png", "b.png", "c.png")]


def test_who_stops_a_cluster_is_told_what_is_left_in_whatever_order_the_rest_was_done():
    def some():
        yield Outcome(JOBS[2], Path("out/c.png"))
        yield Outcome(JOBS[0], None, failure="it is no image")
        raise KeyboardInterrupt

    console = Console(width=200, record=True, quiet=False)
    outcomes, stopped = show_outcomes(console, JOBS, some())
    assert stopped
    assert [outcome.job for outcome in outcomes] == [JOBS[2], JOBS[0]]
    text = console.export_text()
    assert "stopped: 1 of 3 photos are done, 1 failed; not done: 1 (b.png)" in text
