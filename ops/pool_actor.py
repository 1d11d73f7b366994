"""What lives in an actor's process: one worker, its thread limits, and the line between refusal and failure."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Worker = Callable[[Any], Any]

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Verdict:
    """How a call went: the seconds it took, and why the item was refused, if it was."""

    seconds: float
    refusal: str | None = None


class PoolActor:
    """Keeps one worker from `start` on, until the next `start` puts another in its place.

    Args:
        threads: how many the numeric libraries may use; set before any of them is imported.
    """

    def __init__(self, threads: int) -> None:
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))

    def start(self, recipe: tuple[Callable[[], Worker], Worker | None]) -> None:
        factory, self._finish = recipe
        self._work = factory()

    def process(self, item: Any, refusable: tuple[type[Exception], ...]) -> tuple[Verdict, Any]:
        return attempt(self._whole, item, refusable)

    def _whole(self, item: Any) -> Any:
        value = self._work(item)
        return value if self._finish is None else self._finish(value)


def attempt(call: Worker, argument: Any, refusable: tuple[type[Exception], ...]) -> tuple[Verdict, Any]:
    """What became of `call(argument)`, and what it returned; errors that are not refusable pass."""
    begun = time.perf_counter()
    refusal = value = None
    try:
        value = call(argument)
    except refusable as error:
        refusal = str(error) or type(error).__name__
    return Verdict(time.perf_counter() - begun, refusal), value
