import random

import pytest

from ops.ledger import Ledger, WorkersKeepDying


def settle_all(ledger: Ledger, seed: int) -> list[int]:
    """Settle whatever is out in a random order, as a pool would, and collect what is due."""
    rng, out, taken = random.Random(seed), [], []
    while True:
        while (ticket := ledger.draw()) is not None:
            out.append(ticket)
        taken += [outcome.value for outcome in ledger.due()]
        if not out:
            if (ticket := ledger.draw()) is None:
                return taken
            out.append(ticket)
        ticket = out.pop(rng.randrange(len(out)))
        ledger.settle(ticket, ticket.item)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("window", [1, 2, 7, 100])
@pytest.mark.parametrize("ordered", [True, False])
def test_everything_comes_out_once(seed, window, ordered):
    taken = settle_all(Ledger(range(50), window, ordered), seed)
    assert (taken if ordered else sorted(taken)) == list(range(50))


@pytest.mark.parametrize("ordered", [True, False])
def test_no_more_is_out_than_the_window_holds(ordered):
    ledger = Ledger(range(10), 3, ordered)
    tickets = [ledger.draw() for _ in range(3)]
    assert ledger.draw() is None
    ledger.settle(tickets[1], "second")
    assert ledger.draw() is None, "a result that nobody took still fills the window"
    assert len(list(ledger.due())) == (0 if ordered else 1)
    assert (ledger.draw() is None) == ordered


def test_only_the_suspect_is_charged_and_all_come_back_in_order():
    ledger = Ledger(range(3), 3, True)
    first, second, third = (ledger.draw() for _ in range(3))
    ledger.bury([first, second], "signal 9")
    assert (first.strikes, second.strikes) == (1, 0)
    assert [ledger.draw(), ledger.draw(), ledger.draw()] == [first, second, None]
    ledger.bury([first, second], "signal 9")
    assert ledger.draw() is second
    ledger.settle(second, "fine")
    ledger.settle(third, "fine")
    assert [outcome.reason for outcome in ledger.due()] == ["killed its worker 2 times: signal 9", None, None]


@pytest.mark.parametrize(("finished_between", "error"), [(False, WorkersKeepDying), (True, None)])
def test_many_deaths_are_forgiven_only_while_work_gets_done(finished_between, error):
    ledger = Ledger(range(100), 100, True, patience=3)

    def six_deaths() -> None:
        for _ in range(6):
            ledger.bury([ledger.draw()], "out of memory")
            if finished_between:
                ledger.settle(ledger.draw(), "fine")

    if error is None:
        six_deaths()
    else:
        with pytest.raises(error, match="4 workers died one after the other and finished nothing; the last: out of"):
            six_deaths()


def test_it_is_exhausted_only_when_everything_was_taken():
    ledger = Ledger(range(2), 1, True)
    assert not ledger.is_exhausted()
    for number in range(2):
        ticket = ledger.draw()
        assert ticket.item == number, "looking ahead loses nothing"
        assert not ledger.is_exhausted()
        ledger.settle(ticket, "done")
        assert not ledger.is_exhausted()
        assert len(list(ledger.due())) == 1
    assert ledger.is_exhausted()
    assert ledger.draw() is None
