"""One call of `Fanout.map`: who is at which item, and what to do when a worker dies.

Ray itself is handed in: only `ops.fanout` knows where it comes from.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ops.ledger import Ledger, Outcome, Ticket, WorkersKeepDying
from ops.pool_actor import Worker, attempt

QUEUE_PER_ACTOR = 2
STARTS = 3


class FanoutError(RuntimeError):
    """The run cannot go on: a worker does not start, or an item raised an error that nobody declared."""


@dataclass(eq=False)
class Seat:
    """A place for an actor, and the calls (ticket, verdict, value) that it has not answered yet, oldest first."""

    actor: Any
    starting: Any = None
    failed_starts: int = 0
    calls: deque[tuple[Ticket, Any, Any]] = field(default_factory=deque)


@dataclass(frozen=True)
class Job:
    factory: Callable[[], Worker]
    finish: Worker | None
    refusable: tuple[type[Exception], ...]
    name: Callable[[Any], str]
    finish_apart: bool


class FanoutRun:
    """One call of `map`: keeps every actor busy and settles what they answer."""

    def __init__(self, ray: Any, job: Job, seats: list[Seat], new_actor: Callable[[], Any], ledger: Ledger) -> None:
        self.ray, self.job, self.seats, self.new_actor, self.ledger = ray, job, seats, new_actor, ledger
        self.crashes = (
            ray.exceptions.RayActorError,
            ray.exceptions.WorkerCrashedError,
            ray.exceptions.OutOfMemoryError,
            ray.exceptions.ObjectLostError,
            ray.exceptions.NodeDiedError,
        )
        self.recipe = ray.put((job.factory, None if job.finish_apart else job.finish))
        self.finish = ray.put(job.finish)
        self.finish_task: Any = ray.remote(num_cpus=1, num_returns=2, max_retries=0)(attempt)
        self.finishing: dict[Any, tuple[Ticket, Any, Any]] = {}

    def outcomes(self, progress: Callable[[int], None] | None) -> Iterator[Outcome]:
        for seat in self.seats:
            seat.starting = seat.actor.start.remote(self.recipe)
        while True:
            self._submit()
            if due := list(self.ledger.due()):
                yield from due
                continue
            if not (waiting := self._waiting()) or self._idle():
                return
            before = self.ledger.settled
            self._answer(self.ray.wait(waiting, num_returns=1)[0][0])
            if progress and self.ledger.settled > before:
                progress(self.ledger.settled)

    def _submit(self) -> None:
        for depth in range(1, QUEUE_PER_ACTOR + 1):
            for seat in self.seats:
                if seat.starting is None and len(seat.calls) < depth:
                    if (ticket := self.ledger.draw()) is None:
                        return
                    call = seat.actor.process.options(num_returns=2)
                    seat.calls.append((ticket, *call.remote(ticket.item, self.job.refusable)))

    def _waiting(self) -> list[Any]:
        starting = [seat.starting for seat in self.seats if seat.starting is not None]
        return starting + [seat.calls[0][1] for seat in self.seats if seat.calls] + list(self.finishing)

    def _idle(self) -> bool:
        """Whether nothing is left but actors that start: on a cluster that has shrunk some never will."""
        return not self.finishing and not any(seat.calls for seat in self.seats) and self.ledger.is_exhausted()

    def _answer(self, ready: Any) -> None:
        if ready in self.finishing:
            self._settle(*self.finishing.pop(ready))
            return
        seat = next(s for s in self.seats if s.starting is ready or (s.calls and s.calls[0][1] is ready))
        if seat.starting is ready:
            self._started(seat)
            return
        try:
            (verdict,) = self._fetch(seat.calls[0][0], ready)
        except self.crashes as crash:
            self._bury(seat, crash)
            return
        ticket, _, value = seat.calls.popleft()
        if verdict.refusal is None and self.job.finish and self.job.finish_apart:
            ticket.seconds += verdict.seconds
            ready, value = self.finish_task.remote(self.finish, value, self.job.refusable)
            self.finishing[ready] = (ticket, ready, value)
        else:
            self._settle(ticket, ready, value)

    def _settle(self, ticket: Ticket, ready: Any, value: Any) -> None:
        try:
            verdict, result = self._fetch(ticket, ready, value)
        except self.crashes as crash:
            self.ledger.bury([ticket], _first_line(crash))
            return
        ticket.seconds += verdict.seconds
        self.ledger.settle(ticket, result, verdict.refusal)

    def _fetch(self, ticket: Ticket, *references: Any) -> list[Any]:
        try:
            return self.ray.get(list(references))
        except self.ray.exceptions.RayTaskError as error:
            cause = error.cause or error
            raise FanoutError(f"{self.job.name(ticket.item)}: {type(cause).__name__}: {cause}") from error

    def _started(self, seat: Seat) -> None:
        try:
            self.ray.get(seat.starting)
            seat.starting, seat.failed_starts = None, 0
        except self.ray.exceptions.RayTaskError as error:
            cause = error.cause or error
            raise FanoutError(f"a worker does not start: {type(cause).__name__}: {cause}") from cause
        except self.crashes as crash:
            seat.failed_starts += 1
            if seat.failed_starts >= STARTS:
                raise WorkersKeepDying(
                    f"a worker died {STARTS} times while it started: {_first_line(crash)}"
                ) from crash
            self._replace(seat)

    def _bury(self, seat: Seat, crash: Exception) -> None:
        """The seat's actor died: what it had not answered is tried again."""
        self.ledger.bury([ticket for ticket, _, _ in seat.calls], _first_line(crash))
        seat.calls.clear()
        self._replace(seat)

    def _replace(self, seat: Seat) -> None:
        seat.actor = self.new_actor()
        seat.starting = seat.actor.start.remote(self.recipe)


def _first_line(crash: Exception) -> str:
    return next((line.strip() for line in str(crash).splitlines() if line.strip()), type(crash).__name__)
