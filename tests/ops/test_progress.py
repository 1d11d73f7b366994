"""Lines of a long stage: how many there are, and where they go."""

import sys

import pytest

from ops import progress
from ops.progress import StageProgress


@pytest.fixture
def clock(monkeypatch):
    """Seconds by a clock that only the test moves."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return now


def test_a_line_every_so_often_and_one_at_the_end(clock, capsys):
    lines = []
    with StageProgress("objects of a", total=10, done=2, log=lines.append) as tell:
        for done in range(1, 9):
            clock[0] += progress.LOG_SECONDS / 3
            tell(done)
    assert [line.split(",")[0] for line in lines] == [f"objects of a: {n} of 10 images" for n in (5, 8, 10)]
    assert lines[0] == "objects of a: 5 of 10 images, 0.20 images/s, 25 s left"
    assert capsys.readouterr().err.splitlines() == lines


def test_a_terminal_shows_a_bar_and_no_lines(clock, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    lines = []
    with StageProgress("objects of a", total=2, log=lines.append) as tell:
        tell(2)
    assert len(lines) == 1
    assert lines[0] not in capsys.readouterr().err


def test_without_a_log_the_lines_are_seen_all_the_same(clock, capsys):
    with StageProgress("objects of a", total=3) as tell:
        clock[0] += 1
        tell(2)
        assert not capsys.readouterr().err
        tell(3)
    assert capsys.readouterr().err == "objects of a: 3 of 3 images, 3.00 images/s, 0 s left\n"
