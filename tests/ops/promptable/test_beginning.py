"""Where a promptable model's training begins: with the backbone, or with a model that is there already."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.promptable import PromptableModel, save_promptable
from models.promptable_config import PromptableConfig
from models.weights import WeightsUnavailable
from ops.model_files import MODEL_FILE
from ops.promptable.beginning import first_model, weights_at_first
from ops.promptable.settings import PromptableSettings
from ops.training_settings import LoaderSettings
from stores.home import Home
from stores.versions import NoVersion

SHAPE = PromptableConfig(backbone="augnet_resnet50", image_size=64, outputs=3, dim=64, feedforward=64)
SETTINGS = PromptableSettings(model=SHAPE, loader=LoaderSettings(size=64))


@pytest.fixture(scope="module")
def made() -> PromptableModel:
    """A model as it is in use: for larger inputs than those of its training."""
    torch.manual_seed(0)
    return PromptableModel(replace(SHAPE, image_size=96))


@pytest.fixture(scope="module")
def file(made: PromptableModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "made.safetensors"
    save_promptable(made, path)
    return path


@pytest.fixture
def home(tmp_path: Path, file: Path) -> Home:
    """The same model, published under two versions."""
    home = Home(str(tmp_path))
    versions = home.versions_of("promptable_model")
    for version in ("one", "two"):
        (versions.location(version) / MODEL_FILE).write_bytes(file.read_bytes())
        versions.publish(version, {})
    return home


def going_on_from(name: object, **shape: object) -> PromptableSettings:
    return SETTINGS.model_copy(update={"initial": str(name), "model": replace(SHAPE, **shape)})


@pytest.mark.parametrize("shape", [{}, {"frozen_stages": 2}], ids=["same", "other stages frozen"])
@pytest.mark.parametrize("published", [False, True])
def test_it_has_the_weights_of_what_it_goes_on_from(
    home: Home, file: Path, made: PromptableModel, published: bool, shape: dict[str, int]
) -> None:
    model = first_model(home, going_on_from("promptable_model@one" if published else file, **shape))
    assert model.shape == replace(SHAPE, **shape)
    for name, value in made.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value)
    stem = model.pyramid.body.conv1.weight
    assert stem.requires_grad == (not shape)


def test_provenance_names_content_and_not_place(home: Home, file: Path, made: PromptableModel, tmp_path: Path) -> None:
    begun = weights_at_first(home, going_on_from(file))
    assert list(begun) == ["initial"]
    assert weights_at_first(home, going_on_from("promptable_model@two")) == begun
    other = copy.deepcopy(made)
    with torch.no_grad():
        next(other.mask_decoder.parameters()).add_(1)
    save_promptable(other, tmp_path / "other.safetensors")
    assert weights_at_first(home, going_on_from(tmp_path / "other.safetensors")) != begun
    assert list(weights_at_first(home, SETTINGS)) == ["backbone"]


@pytest.mark.parametrize(
    ("name", "shape", "error", "message"),
    [
        ("FILE", {"dim": 128, "outputs": 6}, WeightsUnavailable, "outputs is 3, not 6, dim is 64, not 128"),
        ("promptable_model", {}, WeightsUnavailable, "promptable_model@two is the current one"),
        ("promptable_plus_model", {}, NoVersion, "materialise it first"),
        ("promptable_model@three", {}, NoVersion, "three"),
        ("sam:facebook/sam-vit-base", {}, WeightsUnavailable, "not trained further"),
        ("nowhere.safetensors", {}, WeightsUnavailable, "nowhere"),
    ],
)
def test_what_it_cannot_go_on_from(
    home: Home, file: Path, name: str, shape: dict[str, int], error: type[Exception], message: str
) -> None:
    settings = going_on_from(file if name == "FILE" else name, **shape)
    for ask in (first_model, weights_at_first):
        with pytest.raises(error, match=message):
            ask(home, settings)
