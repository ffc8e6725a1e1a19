"""How jobs are shown while they are done, and what is said of each."""

import time
from collections.abc import Collection, Iterable
from functools import partial

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from realsr_mod.inference.batch import run_jobs
from realsr_mod.inference.outcome import Outcome, Settings
from realsr_mod.inference.plan import FileId, Job
from realsr_mod.inference.steady import Steady


def say(console: Console, line: str) -> None:
    """Print a line as it is."""
    console.print(line, markup=False, highlight=False)


def run_with_progress(
    console: Console,
    jobs: list[Job],
    settings: Settings,
    steady: Steady,
    photos: Collection[FileId],
) -> tuple[list[Outcome], bool]:
    """Do the jobs under two bars: all images with the time left, and what is done with the image at hand.

    No result may replace one of `photos`.

    Returns what became of them, and whether somebody stopped it before the end.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[count]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    outcomes: list[Outcome] = []
    rate = _Rate()
    with Progress(*columns, console=console) as progress:
        images = progress.add_task("photos", total=len(jobs), count=f"0/{len(jobs)}")
        tiles = progress.add_task("tiles", total=None, count="")

        def on_part(what: str, number: int, done: int, total: int) -> None:
            progress.update(tiles, description=what, completed=done, total=total, count=f"{done}/{total}")
            progress.update(images, completed=number + done / total)

        def on_frame(number: int, done: int, total: int) -> None:
            on_part("frames", number, done, total)
            progress.update(tiles, count=f"{done}/{total}{rate.of(number, done)}")

        def on_estimate(done: int, total: int) -> None:
            name, count = "estimating its degradation", f"{done}/{total}"
            progress.update(tiles, description=name, completed=done, total=total, count=count)

        try:
            for outcome in run_jobs(
                jobs,
                partial(steady.photo, on_estimate=on_estimate),
                settings,
                partial(on_part, "tiles"),
                steady,
                on_frame,
                partial(say, console),
                photos,
            ):
                outcomes.append(outcome)
                done = max(progress.tasks[images].completed, len(outcomes))  # the next may be under way
                progress.update(images, completed=done, count=f"{len(outcomes)}/{len(jobs)}")
                progress.console.print(describe(outcome))
        except KeyboardInterrupt:
            progress.stop()
            say(console, interrupted(outcomes, jobs))
            return outcomes, True
    return outcomes, False


def show_outcomes(console: Console, jobs: list[Job], found: Iterable[Outcome]) -> tuple[list[Outcome], bool]:
    """Show what becomes of jobs that others do, in whatever order; returns as `run_with_progress` does."""
    columns = (TextColumn("photos"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    outcomes: list[Outcome] = []
    with Progress(*columns, console=console) as progress:
        photos = progress.add_task("photos", total=len(jobs))
        try:
            for outcome in found:
                outcomes.append(outcome)
                progress.advance(photos)
                progress.console.print(describe(outcome))
        except KeyboardInterrupt:
            progress.stop()
            say(console, interrupted(outcomes, jobs))
            return outcomes, True
    return outcomes, False


class _Rate:
    """How many frames of a job are done a second, since the first that was seen."""

    def __init__(self) -> None:
        self.number, self.begun, self.first = -1, 0.0, 0

    def of(self, number: int, done: int) -> str:
        """For people; nothing after one frame."""
        now = time.monotonic()
        if number != self.number:
            self.number, self.begun, self.first = number, now, done
            return ""
        return f", {(done - self.first) / max(now - self.begun, 1e-9):.2g} a second"


def interrupted(outcomes: list[Outcome], jobs: list[Job]) -> str:
    """What is done and what is not, when somebody stops."""
    failed = sum(bool(outcome.failure) for outcome in outcomes)
    seen = {outcome.job for outcome in outcomes}  # in any order, where others do them
    left = [job for job in jobs if job not in seen]
    done = f"stopped: {len(outcomes) - failed} of {len(jobs)} photos are done" + (
        f", {failed} failed" if failed else ""
    )
    names = ", ".join(str(job.source) for job in left[:3]) + (" …" if len(left) > 3 else "")
    return f"{done}; not done: {len(left)} ({names}). The same command goes on with these"


def describe(outcome: Outcome) -> str:
    """One line about an image that is done."""
    source = escape(str(outcome.job.source))
    if outcome.failure:
        return f"[red]failed[/]  {source}: {escape(outcome.failure)}"
    verb = "[yellow]kept[/]    " if outcome.kept else "[green]written[/] "
    notes = "".join(f"\n         note: {escape(note)}" for note in outcome.notes)
    return verb + escape(str(outcome.path)) + (" (exists; --overwrite makes it anew)" if outcome.kept else "") + notes
