"""A few kills of every kind; `make chaos` does sixty shards of it."""

from pathlib import Path

import pytest

from tests.chaos.harness import VICTIMS, Chaos, run_chaos


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_is_killed_costs_time_and_nothing_else(tmp_path):
    verdict = run_chaos(tmp_path, Chaos(shards=2, kills=4, every=(2, 4), patience=800))
    assert verdict.problems == []
    assert verdict.killed.total() == 4, verdict
    assert set(verdict.killed) <= set(VICTIMS)
    assert (verdict.images, verdict.quarantined) == (4, 1)
    assert verdict.reads > 0
