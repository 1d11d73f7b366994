"""The training loop: same seed same losses, a kill costs one interval at most, what is not finite is skipped."""

import json
import logging
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboardX.proto.event_pb2 import Event

from ops.checkpoints import Checkpoints
from ops.optimisation import TrainingDiverged
from ops.training import ForeignCheckpoint, train
from tests.ops.toy_training import SETTINGS, ToyTask, truth

ROOT = Path(__file__).parents[2]


def losses(history: list[dict[str, float]]) -> list[float]:
    return [entry["loss"] for entry in history]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> list[float]:
    return losses(train(ToyTask(), SETTINGS, tmp_path_factory.mktemp("run"), shown=False).history)


def test_loss_falls(undisturbed: list[float]) -> None:
    assert len(undisturbed) == SETTINGS.steps
    assert np.mean(undisturbed[-5:]) < 0.3 * np.mean(undisturbed[:5])


def test_same_seed_same_losses(undisturbed: list[float], tmp_path: Path) -> None:
    assert losses(train(ToyTask(), SETTINGS, tmp_path, shown=False).history) == undisturbed
    other = SETTINGS.model_copy(update={"seed": 1})
    assert losses(train(ToyTask(), other, tmp_path / "other", shown=False).history) != undisturbed


@pytest.mark.parametrize("stop", [1, 8, 20])
def test_goes_on_exactly_where_it_was(undisturbed: list[float], tmp_path: Path, stop: int) -> None:
    def interrupt(entry: dict[str, float]) -> None:
        if entry["step"] == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(ToyTask(), SETTINGS, tmp_path, shown=False, after_window=interrupt)
    saved = Checkpoints(tmp_path / "checkpoints").latest()
    assert (saved.step if saved else 0) == stop - stop % SETTINGS.checkpoint_every
    assert losses(train(ToyTask(), SETTINGS, tmp_path, shown=False).history) == undisturbed


@pytest.mark.slow
def test_kill_9_at_a_random_moment_costs_one_interval_at_most(undisturbed: list[float], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.ops.toy_training", str(tmp_path), "0.02"]
    worker = subprocess.Popen(command, cwd=ROOT)
    checkpoints = tmp_path / "checkpoints"
    deadline = time.monotonic() + 120
    while not list(checkpoints.glob("step-*")) and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(random.uniform(0, 0.4))
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    saved = Checkpoints(checkpoints).latest()
    assert saved is not None
    assert saved.step % SETTINGS.checkpoint_every == 0 or saved.step == SETTINGS.steps
    result = train(ToyTask(), SETTINGS, tmp_path, shown=False)
    np.testing.assert_allclose(losses(result.history), undisturbed, rtol=1e-6)


def test_checkpoint_cut_short_gives_way_to_the_one_before(
    undisturbed: list[float], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(ToyTask(), SETTINGS.model_copy(update={"steps": 30}), tmp_path, shown=False)
    newest = sorted((tmp_path / "checkpoints").glob("step-*"))[-1]
    weights = newest / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-7])
    with caplog.at_level(logging.WARNING):
        result = train(ToyTask(), SETTINGS, tmp_path, shown=False)
    assert [record for record in caplog.records if newest.name in record.getMessage()]
    assert losses(result.history) == undisturbed


def test_finished_run_is_not_repeated(undisturbed: list[float], tmp_path: Path) -> None:
    train(ToyTask(), SETTINGS, tmp_path, shown=False)
    task = ToyTask(poisoned=frozenset(range(100)))
    assert losses(train(task, SETTINGS, tmp_path, shown=False).history) == undisturbed


def test_steps_without_a_finite_gradient_are_skipped_and_counted(tmp_path: Path) -> None:
    result = train(ToyTask(poisoned=frozenset({3, 4, 11})), SETTINGS, tmp_path, shown=False)
    assert result.skipped == 3
    assert all(np.isfinite(losses(result.history)))
    assert all(parameter.isfinite().all() for parameter in result.model.parameters())


def test_diverged_run_gives_up_and_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(TrainingDiverged, match=r"10 steps in a row.*learning_rate"):
        train(ToyTask(poisoned=frozenset(range(9, 100))), SETTINGS, tmp_path, shown=False)
    saved = Checkpoints(tmp_path / "checkpoints").latest()
    assert saved is not None
    assert all(value.isfinite().all() for value in saved.tensors["model"].values())


@pytest.mark.parametrize(
    ("changes", "fingerprint", "named"),
    [
        ({"seed": 5}, "toy", "seed"),
        ({"batch": 2}, "toy", "batch"),
        ({}, "other photos", "data"),
    ],
)
def test_checkpoints_of_another_run_are_refused(tmp_path: Path, changes: dict, fingerprint: str, named: str) -> None:
    train(ToyTask(), SETTINGS, tmp_path, shown=False)
    with pytest.raises(ForeignCheckpoint, match=named):
        train(ToyTask(fingerprint=fingerprint), SETTINGS.model_copy(update=changes), tmp_path, shown=False)


def test_what_does_not_change_the_result_may_change(undisturbed: list[float], tmp_path: Path) -> None:
    train(ToyTask(), SETTINGS, tmp_path, shown=False)
    loader = SETTINGS.loader.model_copy(update={"workers": 1, "prefetch": 1})
    changed = SETTINGS.model_copy(update={"checkpoint_every": 3, "keep_checkpoints": 5, "loader": loader})
    assert losses(train(ToyTask(), changed, tmp_path, shown=False).history) == undisturbed


def test_history_and_events_are_left_behind(undisturbed: list[float], tmp_path: Path) -> None:
    train(ToyTask(), SETTINGS, tmp_path, shown=False)
    history = json.loads((tmp_path / "history.json").read_text())
    assert losses(history) == undisturbed
    assert {"step", "loss", "error", "learning_rate", "skipped", "images_per_second", "waiting"} == set(history[0])
    assert all(0 <= entry["waiting"] <= 1 or entry["waiting"] > 0 for entry in history)
    events = [value for path in (tmp_path / "tensorboard").iterdir() for value in scalars(path)]
    shown = {step: value for name, step, value in events if name == "loss"}
    np.testing.assert_allclose([shown[step + 1] for step in range(SETTINGS.steps)], undisturbed, rtol=1e-5)


def test_prediction_uses_the_moving_average(tmp_path: Path) -> None:
    task = ToyTask()
    result = train(task, SETTINGS, tmp_path, shown=False)
    assert result.model is not task.model
    points = torch.rand(200, 3)
    assert (result.model(points) - truth(points)).abs().mean() < 0.3 * (
        ToyTask().model(points) - truth(points)
    ).abs().mean()


def test_without_a_terminal_each_window_is_a_line(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    train(ToyTask(), SETTINGS.model_copy(update={"log_every": 10}), tmp_path, shown=True)
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("step 10 ")]
    assert len(lines) == 1
    assert all(word in lines[0] for word in ("loss", "speed", "waiting"))


def scalars(path: Path) -> list[tuple[str, int, float]]:
    """Scalars of an event file: records of an 8-byte length, 4 bytes of checksum, the event, 4 bytes of checksum."""
    data, place, found = path.read_bytes(), 0, []
    while place < len(data):
        length = int.from_bytes(data[place : place + 8], "little")
        event = Event.FromString(data[place + 12 : place + 12 + length])
        found += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
        place += 16 + length
    return found
