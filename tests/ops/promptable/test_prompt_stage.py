"""A run of the promptable model: it comes out at the side in use, and an interruption changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from models.promptable import load_promptable
from ops.label_shards import label_versions
from ops.model_files import MODEL_FILE
from ops.promptable.stage import PromptableJob
from stores.home import Home
from tests.labelled_shards import add_shard
from tests.ops.promptable.tiny_promptable import SETTINGS, SHAPE, SIDE

JOB = SETTINGS.model_copy(
    update={
        "model": replace(SHAPE, backbone="augnet_resnet50", frozen_stages=5),
        "optimiser": SETTINGS.optimiser.model_copy(update={"ema_decay": 0.9}),
        "use_scale": 1.5,
    }
)


class CutOff(Exception):
    pass


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, str]:
    folder = tmp_path_factory.mktemp("stage")
    home = Home(folder / "home")
    return home, add_shard(home, folder / "photos")


def run(home: tuple[Home, str], folder: Path, cut_after: int | None = None, **changes: object) -> dict:
    """Weights of a run into `folder`, ended by an exception after so many lines of its log."""
    place, shard = home
    lines = []

    def said(line: str) -> None:
        lines.append(line)
        if len(lines) == cut_after:
            raise CutOff

    settings = JOB.model_copy(update=changes)
    versions = label_versions(place, "hierarchical_masks", [shard])
    PromptableJob(place, "hierarchical_masks", versions, settings, "version", str(folder), said)()
    return load_file(folder / MODEL_FILE)


@pytest.fixture(scope="module")
def undisturbed(home: tuple[Home, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, run(home, folder)


def test_the_model_is_of_the_side_in_use(undisturbed: tuple[Path, dict]) -> None:
    folder, weights = undisturbed
    assert load_promptable(folder / MODEL_FILE).shape.image_size == 96
    assert all(torch.isfinite(value).all() for value in weights.values())


def test_only_the_side_differs(home: tuple[Home, str], undisturbed: tuple[Path, dict], tmp_path: Path) -> None:
    same = run(home, tmp_path, use_scale=1.0)
    assert load_promptable(tmp_path / MODEL_FILE).shape.image_size == SIDE
    for name, value in undisturbed[1].items():
        torch.testing.assert_close(same[name], value, rtol=1e-3, atol=1e-4)


def test_training_goes_on_from_a_model(home: tuple[Home, str], undisturbed: tuple[Path, dict], tmp_path: Path) -> None:
    still = JOB.optimiser.model_copy(update={"learning_rate": 1e-12})
    same = run(home, tmp_path, initial=str(undisturbed[0] / MODEL_FILE), optimiser=still)
    assert load_promptable(tmp_path / MODEL_FILE).shape.image_size == 96
    for name, value in undisturbed[1].items():
        torch.testing.assert_close(same[name], value, rtol=1e-3, atol=1e-4)


def test_a_run_that_was_cut_off_goes_on(home: tuple[Home, str], undisturbed: tuple[Path, dict], tmp_path: Path) -> None:
    with pytest.raises(CutOff):
        run(home, tmp_path, cut_after=3)
    again = run(home, tmp_path)
    for name, value in undisturbed[1].items():
        torch.testing.assert_close(again[name], value, rtol=1e-3, atol=1e-4)
