"""Ending a process together with all that it started, also when this one is told to end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

_GRACE_SECONDS = 10


def stop_group(leader: subprocess.Popen[bytes]) -> None:
    """End the process group that `leader` leads: gently first, by force in the end; no member is left."""
    for stop in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(leader.pid, stop)
        except ProcessLookupError:
            return
        try:
            leader.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            continue


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Turn a TERM signal, as Ctrl-C, into KeyboardInterrupt, so that what the block started is stopped with it."""
    before = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
