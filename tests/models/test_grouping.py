"""The grouping model: unit embeddings at stride 4, its own backbone, and its file."""

from pathlib import Path

import pytest
import torch

from models.feature_pyramid import ResNetPyramid
from models.grouping import GroupingModel, beside, build_grouping, load_grouping, save_grouping
from models.grouping_config import GroupingConfig
from models.learned_odds import LearnedOdds, OddsShape
from models.network_files import kind_of
from models.weights import WeightsUnavailable

TINY = GroupingConfig(dim=16, embedding=4)


def tiny_model() -> GroupingModel:
    torch.manual_seed(0)
    return GroupingModel(TINY, ResNetPyramid("resnet10t"))


@pytest.fixture(scope="module")
def pretrained() -> GroupingModel:
    torch.manual_seed(0)
    return build_grouping(TINY).eval()


def test_unit_embeddings_at_a_quarter_of_the_size():
    embedding = tiny_model()(torch.randn(2, 3, 64, 96))
    assert embedding.shape == (2, 4, 16, 24)
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(2, 16, 24))


def test_each_image_is_embedded_as_if_it_were_alone():
    model, pixels = tiny_model().eval(), torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        together = model(pixels)
        for index in range(3):
            torch.testing.assert_close(together[index], model(pixels[index : index + 1])[0], atol=1e-4, rtol=1e-4)


def test_coarse_maps_reach_the_finest():
    """A change at one corner is seen at the other, since stride 32 sees all of a small image."""
    model, pixels = tiny_model().eval(), torch.zeros(1, 3, 64, 64)
    changed = pixels.clone()
    changed[..., :8, :8] = 3
    with torch.no_grad():
        assert (model(pixels) - model(changed))[..., -1, -1].abs().max() > 1e-5


def test_sides_must_divide_by_32():
    with pytest.raises(ValueError, match="multiples of 32"):
        tiny_model()(torch.zeros(1, 3, 64, 80))


def test_only_the_head_learns_by_default(pretrained):
    learning = {name.split(".")[0] for name, value in pretrained.named_parameters() if value.requires_grad}
    assert learning == {"lateral", "smooth", "embed"}


def test_file_comes_back_as_it_was(pretrained, tmp_path: Path):
    save_grouping(pretrained, tmp_path / "model.safetensors")
    loaded, pixels = load_grouping(tmp_path / "model.safetensors"), torch.randn(1, 3, 64, 64)
    assert loaded.shape == pretrained.shape
    assert not loaded.training
    assert kind_of(tmp_path / "model.safetensors") == "grouping"
    with torch.no_grad():
        torch.testing.assert_close(loaded(pixels), pretrained(pixels))


@pytest.mark.parametrize("name", ["borders", "quality"])
def test_what_people_taught_is_kept_with_the_model(name, tmp_path: Path):
    model = GroupingModel(TINY)
    odds = LearnedOdds(OddsShape(channels=2048, axes=3, descriptors=7, hidden=5))
    odds.axes.normal_()
    setattr(model, name, odds)
    save_grouping(model, tmp_path / "model.safetensors")
    loaded, described = getattr(load_grouping(tmp_path / "model.safetensors"), name), torch.randn(5, 7)
    assert loaded.shape == odds.shape
    torch.testing.assert_close(loaded.axes, odds.axes)
    with torch.no_grad():
        torch.testing.assert_close(loaded(described), odds.eval()(described))


def test_a_model_that_people_taught_nothing_says_so(tmp_path: Path):
    save_grouping(GroupingModel(TINY), tmp_path / "model.safetensors")
    loaded = load_grouping(tmp_path / "model.safetensors")
    assert loaded.borders is None
    assert loaded.quality is None


def test_a_look_gives_embeddings_and_the_coarsest_map(pretrained):
    pixels = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        embeddings, coarse = pretrained.look(pixels)
        assert len(embeddings) == 1
        torch.testing.assert_close(embeddings[0], pretrained(pixels))
    assert coarse.shape == (1, 2048, 2, 3)


def test_a_second_head_stands_beside_the_first(pretrained, tmp_path: Path):
    torch.manual_seed(1)
    model, pixels = beside(pretrained, 5).eval(), torch.randn(1, 3, 64, 96)
    save_grouping(model, tmp_path / "model.safetensors")
    for each in (model, load_grouping(tmp_path / "model.safetensors")):
        with torch.no_grad():
            embeddings, _ = each.look(pixels)
            assert len(embeddings) == each.head_count == 2
            torch.testing.assert_close(embeddings[0], pretrained(pixels))
            torch.testing.assert_close(embeddings[1], model(pixels))
            torch.testing.assert_close(each(pixels), model(pixels))
            assert (each(pixels) - pretrained(pixels)).abs().max() > 0.1
        assert not any(weight.requires_grad for weight in each.elders.parameters())
    learning = {name.split(".")[0] for name, value in model.named_parameters() if value.requires_grad}
    assert learning == {"lateral", "smooth", "embed"}


def test_a_third_head_stands_beside_both_others(pretrained, tmp_path: Path):
    torch.manual_seed(1)
    second = beside(pretrained, 5).eval()
    third, pixels = beside(second, 5).eval(), torch.randn(1, 3, 64, 64)
    save_grouping(third, tmp_path / "model.safetensors")
    for each in (third, load_grouping(tmp_path / "model.safetensors")):
        with torch.no_grad():
            for got, head in zip(each.look(pixels)[0], (pretrained, second, third), strict=True):
                torch.testing.assert_close(got, head(pixels))
        assert not any(weight.requires_grad for weight in each.elders.parameters())


def test_no_head_stands_beside_another_on_a_backbone_that_is_trained(pretrained):
    with pytest.raises(ValueError, match="frozen_stages=3"):
        beside(pretrained, 3)


@pytest.mark.parametrize("content", [None, b"not a safetensors file", b"cut"], ids=["missing", "other bytes", "cut"])
def test_bad_files_are_named(pretrained, tmp_path: Path, content: bytes | None):
    path = tmp_path / "model.safetensors"
    if content == b"cut":
        save_grouping(pretrained, path, torch.float16)
        path.write_bytes(path.read_bytes()[:-1000])
    elif content is not None:
        path.write_bytes(content)
    assert kind_of(path) is None
    with pytest.raises(WeightsUnavailable, match="not a grouping model"):
        load_grouping(path)
