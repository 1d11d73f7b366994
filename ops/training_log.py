"""What a training run shows while it runs and leaves behind: progress bar, TensorBoard events, loss history."""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tensorboardX import SummaryWriter

HISTORY = "history.json"
Entry = dict[str, float]


class TrainingLog:
    """Means over windows of steps, on the screen, in event files and as a list of entries.

    An entry has `step`, `loss`, its parts, `learning_rate`, `skipped` (steps so far without a finite gradient),
    `images_per_second` and `waiting`, the share of the time that was spent waiting for data.

    Args:
        folder: gets `history.json` and `tensorboard/`.
        steps: length of the run.
        first_step: where it goes on.
        history: entries so far.
        images: photos a step, over all workers.
        shown: whether to show a progress bar.
    """

    def __init__(
        self, folder: Path, steps: int, first_step: int, history: list[Entry], images: int, shown: bool
    ) -> None:
        self.history = list(history)
        self._folder = folder
        self._images = images
        self._sums: defaultdict[str, float] = defaultdict(float)
        self._count = 0
        self._console = Console(stderr=True)
        self._shown = shown
        self._events = SummaryWriter(str(folder / "tensorboard"), purge_step=first_step)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]}  {task.fields[speed]} images/s  waiting {task.fields[waiting]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not (shown and self._console.is_terminal),
        )
        self._task = self._bar.add_task("training", total=steps, completed=first_step, loss="-", speed="-", waiting="-")
        self._window_start = time.perf_counter()

    def __enter__(self) -> TrainingLog:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        self._events.close()

    def add(self, values: Entry, waited: float) -> None:
        """One step's loss and parts, and the seconds for which it waited for its batch."""
        for name, value in values.items():
            self._sums[name] += value
        self._sums["waited"] += waited
        self._count += 1
        self._bar.advance(self._task)

    def close_window(self, step: int, learning_rate: float, skipped: int) -> None:
        """Turn the steps since the last call into an entry; nothing happens when there were none."""
        if not self._count:
            return
        seconds = time.perf_counter() - self._window_start
        waited = self._sums.pop("waited")
        entry: Entry = {"step": step, **{name: total / self._count for name, total in self._sums.items()}}
        entry |= {"learning_rate": learning_rate, "skipped": skipped}
        entry |= {"images_per_second": self._images * self._count / seconds, "waiting": waited / seconds}
        self.history.append(entry)
        self._show(entry)
        self._sums.clear()
        self._count = 0
        self._window_start = time.perf_counter()

    def write_history(self) -> None:
        """Replace `history.json` in one step."""
        partial = self._folder / f".{HISTORY}"
        partial.write_text(json.dumps(self.history))
        os.replace(partial, self._folder / HISTORY)

    def _show(self, entry: Entry) -> None:
        for name, value in entry.items():
            if name != "step":
                self._events.add_scalar(name, value, int(entry["step"]))
        shown: dict[str, Any] = {
            "loss": f"{entry.get('loss', float('nan')):.3f}",
            "speed": f"{entry['images_per_second']:.1f}",
            "waiting": f"{entry['waiting']:.0%}",
        }
        self._bar.update(self._task, **shown)
        if self._shown and not self._console.is_terminal:
            line = "  ".join(f"{name} {value}" for name, value in shown.items())
            self._console.print(f"step {int(entry['step'])}  {line}", soft_wrap=True)
