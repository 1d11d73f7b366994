"""Progress of a long stage: a bar on a terminal, and a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LOG_SECONDS = 15.0


class StageProgress:
    """Tells how many of `total` images are done; a context manager whose call takes the number done so far.

    Where stderr is a terminal it shows a bar; else, under cron or `nohup`, the lines of `log` go there too.

    Args:
        name: of the stage and shard.
        total: images there are.
        done: images that an earlier run had finished.
        log: takes one line; called at most every `LOG_SECONDS` and at the end.
    """

    def __init__(self, name: str, total: int, done: int = 0, log: Callable[[str], None] | None = None) -> None:
        self.name, self.total, self.earlier, self.log = name, total, done, log
        self._begun = self._logged = time.perf_counter()
        self._bar = _bar() if sys.stderr.isatty() else None

    def __enter__(self) -> StageProgress:
        if self._bar:
            self._bar.start()
            self._task = self._bar.add_task(self.name, total=self.total, completed=self.earlier, rate="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, done: int) -> None:
        """`done` images of this run are finished."""
        now = time.perf_counter()
        rate = done / max(now - self._begun, 1e-9)
        finished = self.earlier + done
        if self._bar:
            self._bar.update(self._task, completed=finished, rate=f"{rate:.2f} images/s")
        if now - self._logged >= LOG_SECONDS or finished == self.total:
            self._logged = now
            left = (self.total - finished) / max(rate, 1e-9)
            self._say(f"{self.name}: {finished} of {self.total} images, {rate:.2f} images/s, {left:.0f} s left")

    def _say(self, line: str) -> None:
        if self.log:
            self.log(line)
        if not self._bar:
            print(line, file=sys.stderr, flush=True)


def _bar() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)
