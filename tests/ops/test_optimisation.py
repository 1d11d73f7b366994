"""The papers' schedule, groups and clipping."""

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from models.feature_pyramid import ResNetPyramid
from models.whole_image import WholeImageModel
from models.whole_image_config import WholeImageConfig
from ops.optimisation import apply_gradient, build_optimiser, moving_average, rate_factor, set_rate
from ops.training_settings import TRAINING_PRESETS, OptimiserSettings


@pytest.mark.parametrize(
    ("step", "factor"),
    [(0, 1), (177_799, 1), (177_800, 0.1), (192_599, 0.1), (192_600, 0.01), (199_999, 0.01)],
)
def test_rate_drops_where_the_papers_drop_it(step: int, factor: float) -> None:
    assert rate_factor(step, 200_000, OptimiserSettings()) == pytest.approx(factor)


@pytest.mark.parametrize(("step", "factor"), [(0, 0.1), (4, 0.5), (9, 1), (50, 1)])
def test_warm_up_is_linear(step: int, factor: float) -> None:
    assert rate_factor(step, 1000, OptimiserSettings(warmup_steps=10)) == pytest.approx(factor)


def test_the_average_forgets_where_it_began() -> None:
    model = nn.Linear(1, 1)
    nn.init.constant_(model.weight, 100.0)
    average = AveragedModel(model, multi_avg_fn=moving_average(0.998))
    average.update_parameters(model)
    nn.init.constant_(model.weight, 0.0)
    values = []
    for _ in range(300):
        average.update_parameters(model)
        values.append(average.module.weight.item())
    assert values[0] == pytest.approx(100 * 2 / 11)
    assert values[1] == pytest.approx(values[0] * 3 / 12)
    assert values[-1] < 1e-6
    late = AveragedModel(model, multi_avg_fn=moving_average(0.9))
    late.n_averaged.fill_(10_000)
    nn.init.constant_(model.weight, 1.0)
    late.update_parameters(model)
    assert late.module.weight.item() == pytest.approx(0.1)


def test_groups_of_the_whole_image_model() -> None:
    shape = WholeImageConfig(backbone="augnet_resnet50", queries=4, encoder_layers=1, decoder_layers=1, dim=64)
    model = WholeImageModel(shape, ResNetPyramid("resnet10t", frozen_stages=1))
    settings = TRAINING_PRESETS["paper"].optimiser
    optimiser = build_optimiser(model, model.pyramid.body.parameters(), settings, batch=4)
    rates = {id(p): (g["full_rate"], g["weight_decay"]) for g in optimiser.param_groups for p in g["params"]}
    expected = {
        "pyramid.body.conv1.0.weight": None,
        "pyramid.body.layer1.0.conv1.weight": (1.25e-6, 0.05),
        "query_decoder.queries_features.weight": (1.25e-5, 0.0),
        "query_decoder.level_embed.weight": (1.25e-5, 0.0),
        "pixel_decoder.level_embed": (1.25e-5, 0.0),
        "pixel_decoder.encoder.layers.0.self_attn_layer_norm.weight": (1.25e-5, 0.0),
        "pixel_decoder.encoder.layers.0.fc1.weight": (1.25e-5, 0.05),
        "pixel_decoder.adapter_1.1.weight": (1.25e-5, 0.0),
        "class_predictor.weight": (1.25e-5, 0.05),
    }
    for name, parameter in model.named_parameters():
        if name in expected:
            wanted = expected.pop(name)
            assert rates.get(id(parameter)) == (pytest.approx(wanted) if wanted else None), name
    assert not expected, "these parameters are not in the model"
    assert len(rates) == sum(parameter.requires_grad for parameter in model.parameters())


def test_factor_keeps_the_groups_apart() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    optimiser = build_optimiser(model, model[0].parameters(), OptimiserSettings(learning_rate=1.0), batch=16)
    assert set_rate(optimiser, 0.5) == 0.5
    assert sorted(group["lr"] for group in optimiser.param_groups) == [0.05, 0.5]


def test_whole_gradient_is_clipped() -> None:
    model = nn.Linear(3, 3)
    seen = []
    optimiser = torch.optim.SGD(model.parameters(), lr=1.0)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    model(torch.ones(1, 3)).sum().mul(100).backward()
    assert apply_gradient(model, optimiser, 0.01)
    seen = torch.cat([(a - b).flatten() for a, b in zip(model.parameters(), before, strict=True)])
    assert float(seen.norm()) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_gradient_that_is_not_finite_changes_nothing(value: float) -> None:
    model = nn.Linear(3, 3)
    before = model.weight.detach().clone()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1.0)
    (model(torch.ones(1, 3)).sum() * value).backward()
    assert not apply_gradient(model, optimiser, 0.01)
    assert torch.equal(model.weight, before)
    assert model.weight.grad is None
