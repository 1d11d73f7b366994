"""Checkpoints: complete or not there, the last few, nothing unpickled."""

import logging
from pathlib import Path

import pytest
import torch

from ops.checkpoints import Checkpoint, Checkpoints, optimiser_tensors, restore_optimiser


def checkpoint(step: int) -> Checkpoint:
    tensors = {"model": {"weight": torch.full((100,), float(step))}, "optimiser": {"0.step": torch.tensor(1.0)}}
    return Checkpoint(step, tensors, {"history": [{"step": step}]})


def test_comes_back_as_it_was(tmp_path: Path) -> None:
    Checkpoints(tmp_path).save(checkpoint(12))
    loaded = Checkpoints(tmp_path).latest()
    assert (loaded.step, loaded.notes) == (12, {"history": [{"step": 12}]})
    assert torch.equal(loaded.tensors["model"]["weight"], torch.full((100,), 12.0))


def test_nothing_there(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none").latest() is None


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_keeps_the_last_few(tmp_path: Path, keep: int) -> None:
    store = Checkpoints(tmp_path, keep)
    for step in (1, 2, 30, 4000):
        store.save(checkpoint(step))
    assert [place.name for place in sorted(tmp_path.iterdir())] == [
        f"step-{step:08d}" for step in (1, 2, 30, 4000)[-keep:]
    ]


@pytest.mark.parametrize("name", ["model.safetensors", "optimiser.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["cut", "changed", "missing"])
def test_damage_falls_back_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, damage: str
) -> None:
    store = Checkpoints(tmp_path)
    store.save(checkpoint(1))
    path = store.save(checkpoint(2)) / name
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(data[: len(data) // 2] if damage == "cut" else data[:-4] + b"\0\0\0\0")
    with caplog.at_level(logging.WARNING):
        assert store.latest().step == 1
    assert "step-00000002" in caplog.text


def test_all_damaged_means_from_the_start(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path)
    (store.save(checkpoint(1)) / "state.json").write_text("{")
    assert store.latest() is None


def test_litter_of_a_killed_save_is_ignored_and_swept(tmp_path: Path) -> None:
    litter = tmp_path / ".partial-1"
    litter.mkdir(parents=True)
    (litter / "model.safetensors").write_bytes(b"half")
    store = Checkpoints(tmp_path)
    assert store.latest() is None
    store.save(checkpoint(3))
    assert not litter.exists()


def test_same_step_is_replaced(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path)
    store.save(checkpoint(3))
    store.save(Checkpoint(3, {"model": {"weight": torch.zeros(1)}}, {}))
    assert store.latest().notes == {}


def test_optimiser_goes_on_as_if_never_stopped() -> None:
    def steps(optimiser: torch.optim.Optimizer, weight: torch.Tensor, count: int) -> None:
        for _ in range(count):
            optimiser.zero_grad()
            (weight.square().sum() * 0.5).backward()
            optimiser.step()

    straight = torch.ones(5, requires_grad=True)
    steps(torch.optim.AdamW([straight], lr=0.1), straight, 6)
    first = torch.ones(5, requires_grad=True)
    before = torch.optim.AdamW([first], lr=0.1)
    steps(before, first, 3)
    second = first.detach().clone().requires_grad_()
    after = torch.optim.AdamW([second], lr=0.1)
    restore_optimiser(after, optimiser_tensors(before))
    steps(after, second, 3)
    assert torch.equal(straight, second)
