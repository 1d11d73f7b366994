"""Work that is told to stop stops, whoever runs it and however often it would be tried again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

STOPPED = "told to stop; the next run goes on where this one was"


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Turn Ctrl-C and TERM into SystemExit, whatever their handler raises.

    Dagster raises an interruption of its own and tries an interrupted step once more, as if it had failed: whoever
    wanted the process to end would have to say so for every step and try. SystemExit it lets through.
    """
    try:
        yield
    except SystemError as fault:
        if _is_interruption(fault.__cause__):
            raise SystemExit(STOPPED) from fault
        raise
    except (Exception, GeneratorExit, SystemExit):
        raise
    except BaseException as interruption:
        raise SystemExit(STOPPED) from interruption


def _is_interruption(cause: BaseException | None) -> bool:
    """Whether a SystemError says that a signal came just as a function in C returned, as one of Ray's may."""
    return cause is not None and not isinstance(cause, Exception | GeneratorExit | SystemExit)
