"""Queries from the cells of a grid: where they come from, how many there are, and that a model with them works."""

import pytest
import torch

from models.feature_pyramid import ResNetPyramid
from models.query_seeds import GridSeeds
from models.whole_image import WholeImageConfig, WholeImageModel, load_whole_image, save_whole_image

DIM, LEVELS = 32, 3
SHAPE = WholeImageConfig(
    backbone="augnet_resnet50",
    queries=5,
    seed_stride=16,
    seed_levels=LEVELS,
    encoder_layers=1,
    decoder_layers=2,
    dim=DIM,
    feedforward=32,
)


@pytest.fixture
def seeds() -> GridSeeds:
    torch.manual_seed(0)
    return GridSeeds(DIM, 16, LEVELS)


@pytest.mark.parametrize(("size", "cells"), [((4, 6), 6), ((5, 6), 9), ((2, 2), 1), ((1, 3), 2)])
def test_one_query_a_cell_and_level(seeds: GridSeeds, size: tuple[int, int], cells: int) -> None:
    """Maps of stride 8, so that a cell of 16 pixels is two of theirs; odd rests are cells too."""
    states, places = seeds(torch.randn(2, DIM, *size), torch.randn(1, DIM, *size), 8)
    assert states.shape == places.shape == (2, cells * LEVELS, DIM)


def test_a_query_knows_only_its_cell(seeds: GridSeeds) -> None:
    features = torch.randn(1, DIM, 4, 6)
    changed = features.clone()
    changed[:, :, 2:4, 4:6] += 1 + torch.rand(DIM)[:, None, None]
    positions = torch.zeros(1, DIM, 4, 6)
    before, after = seeds(features, positions, 8)[0][0], seeds(changed, positions, 8)[0][0]
    different = (before != after).any(dim=1).nonzero().flatten().tolist()
    assert different == [15, 16, 17], "the last of two rows of three cells, three levels each"


def test_places_are_the_mean_positions_of_the_cell(seeds: GridSeeds) -> None:
    positions = torch.randn(1, DIM, 2, 4)
    places = seeds(torch.randn(1, DIM, 2, 4), positions, 8)[1][0]
    expected = positions[0, :, :, 2:].mean(dim=(1, 2)) + seeds.place_of_level.weight[1]
    torch.testing.assert_close(places[LEVELS + 1], expected)


@pytest.fixture
def model() -> WholeImageModel:
    torch.manual_seed(0)
    return WholeImageModel(SHAPE, ResNetPyramid("resnet10t"))


def test_a_larger_image_has_more_queries(model: WholeImageModel) -> None:
    for side, cells in ((64, 16), (96, 36)):
        outputs = model(torch.randn(1, 3, side, side))
        assert outputs.embeddings[-1].shape[1] == cells * LEVELS


def test_every_parameter_learns(model: WholeImageModel) -> None:
    outputs = model(torch.randn(1, 3, 64, 64))
    sum(outputs.mask_logits(i).square().mean() + outputs.class_logits[i].square().mean() for i in range(3)).backward()
    idle = [name for name, value in model.named_parameters() if value.grad is None]
    assert idle == []


def test_it_comes_back_from_the_disk(tmp_path) -> None:
    torch.manual_seed(0)
    model = WholeImageModel(SHAPE).eval()
    save_whole_image(model, tmp_path / "model.safetensors")
    again = load_whole_image(tmp_path / "model.safetensors")
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(again(pixels).mask_logits(), model(pixels).mask_logits())
