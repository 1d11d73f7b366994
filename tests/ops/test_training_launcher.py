"""Real Ray Train workers: too many are refused at once, and two compute what one does."""

import json
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ops.training import TrainingResult, train
from ops.training_launcher import NotEnoughWorkers, Workers, check_capacity, launch
from tests.ops.toy_training import SETTINGS, ToyTask

# A toy without a moving average and with plain points, so that the mean over workers is the mean over the batch.
SHORT = SETTINGS.model_copy(update={"steps": 6, "checkpoint_every": 3})


def work(folder: str) -> TrainingResult:
    return train(ToyTask(), SHORT, folder, shown=False)


@pytest.mark.parametrize(
    ("workers", "cluster", "named"),
    [
        (Workers(3), {"CPU": 2.0}, "at most 2 workers"),
        (Workers(2, cpus=4), {"CPU": 7.0}, "at most 1 workers"),
        (Workers(1, gpus=1), {"CPU": 8.0}, "0 GPU"),
        (Workers(2, gpus=1), {"CPU": 8.0, "GPU": 1.0}, "at most 1 workers"),
    ],
)
def test_too_small_a_cluster_is_named(workers: Workers, cluster: dict[str, float], named: str) -> None:
    with pytest.raises(NotEnoughWorkers, match=named):
        check_capacity(workers, cluster)


@pytest.mark.parametrize(
    ("workers", "cluster"), [(Workers(2), {"CPU": 2.0}), (Workers(1, gpus=1), {"CPU": 1.0, "GPU": 1.0})]
)
def test_what_fits_passes(workers: Workers, cluster: dict[str, float]) -> None:
    check_capacity(workers, cluster)


def test_batch_must_be_even(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.training.worker_place", lambda: (0, 3))
    with pytest.raises(ValueError, match="evenly to 3 workers"):
        train(ToyTask(), SHORT, tmp_path, shown=False)


@pytest.mark.heavy
def test_two_workers_equal_one(tmp_path: Path) -> None:
    alone = train(ToyTask(), SHORT, tmp_path / "alone", shown=False)
    launch(partial(work, str(tmp_path / "both")), Workers(2), tmp_path / "ray")
    both = json.loads((tmp_path / "both" / "history.json").read_text())
    assert [entry["step"] for entry in both] == [entry["step"] for entry in alone.history]
    losses = [entry["loss"] for entry in both]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]


@pytest.mark.heavy
def test_asking_for_too_many_says_so_at_once(tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(NotEnoughWorkers, match="1000 workers"):
        launch(partial(work, str(tmp_path / "none")), Workers(1000), tmp_path / "ray")
    assert time.monotonic() - start < 60
    assert not (tmp_path / "none").exists()
