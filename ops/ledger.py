"""The book-keeping of a bounded window of work: what is drawn, what is done, what must be tried again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

STRIKES = 2
PATIENCE = 8


class WorkersKeepDying(RuntimeError):
    """So many workers died in a row without finishing anything that the fault is not a single item's."""


@dataclass(frozen=True)
class Outcome:
    """What became of one item.

    Attributes:
        item: as it was given.
        value: what the worker (or `finish`) returned; None for a quarantined item.
        reason: why the item is quarantined; None for a good one.
        seconds: time that workers spent on it.
    """

    item: Any
    value: Any = None
    reason: str | None = None
    seconds: float = 0.0


@dataclass(eq=False)
class Ticket:
    """One item on its way through the pool."""

    index: int
    item: Any
    strikes: int = 0
    seconds: float = 0.0


class Ledger:
    """Hands out tickets as long as the window has room, and gives back outcomes in order or as they are done.

    Args:
        items: read lazily.
        window: tickets that are out, or done and not yet taken by `due`, at most.
        ordered: `due` keeps the items' order.
        patience: workers that may die one after the other with nothing finished between.
    """

    def __init__(self, items: Iterable[Any], window: int, ordered: bool, patience: int = PATIENCE) -> None:
        self._tickets: Iterator[Ticket] = (Ticket(index, item) for index, item in enumerate(items))
        self._window = window
        self._ordered = ordered
        self._patience = patience
        self._again: deque[Ticket] = deque()
        self._done: dict[int, Outcome] = {}
        self._open = 0
        self._following = 0
        self._barren_deaths = 0
        self.settled = 0

    def draw(self) -> Ticket | None:
        """The next item to work on; None while the window is full, or when nothing is left."""
        if self._again:
            return self._again.popleft()
        if self._open + len(self._done) >= self._window or (ticket := next(self._tickets, None)) is None:
            return None
        self._open += 1
        return ticket

    def is_exhausted(self) -> bool:
        """Whether every item is settled and taken; looks one item ahead."""
        if self._open or self._done or self._again:
            return False
        if (ticket := next(self._tickets, None)) is None:
            return True
        self._tickets = chain([ticket], self._tickets)
        return False

    def settle(self, ticket: Ticket, value: Any = None, reason: str | None = None) -> None:
        """The item is done, or quarantined for `reason`."""
        self._done[ticket.index] = Outcome(ticket.item, value, reason, ticket.seconds)
        self._open -= 1
        self.settled += 1
        self._barren_deaths = 0

    def bury(self, tickets: list[Ticket], cause: str) -> None:
        """A worker died over `tickets[0]` while the others waited behind it: all are tried again.

        The first is quarantined instead if it has seen `STRIKES` workers die.

        Raises:
            WorkersKeepDying: more than `patience` workers died in a row.
        """
        deaths = self._barren_deaths + 1
        if deaths > self._patience:
            raise WorkersKeepDying(f"{deaths} workers died one after the other and finished nothing; the last: {cause}")
        suspect, *others = tickets
        suspect.strikes += 1
        if suspect.strikes < STRIKES:
            others.insert(0, suspect)
        else:
            self.settle(suspect, reason=f"killed its worker {STRIKES} times: {cause}")
        self._again.extendleft(reversed(others))
        self._barren_deaths = deaths

    def due(self) -> Iterator[Outcome]:
        """Outcomes that may be yielded now."""
        if not self._ordered:
            for index in sorted(self._done):
                yield self._done.pop(index)
            return
        while self._following in self._done:
            yield self._done.pop(self._following)
            self._following += 1
