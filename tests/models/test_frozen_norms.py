"""Folded norms: the same maps and gradients as the network in evaluation mode, under the same names."""

import copy

import pytest
import timm
import torch
from torch import nn

from models.frozen_norms import with_folded_norms


@pytest.fixture
def stock() -> nn.Module:
    """A ResNet-10 whose norms are no identities."""
    torch.manual_seed(0)
    network = timm.create_model("resnet10t", features_only=True, out_indices=(1, 2, 3, 4))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for value in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                value.uniform_(0.5, 1.5)
    return network.eval()


@pytest.fixture
def folded(stock: nn.Module) -> nn.Module:
    network = with_folded_norms(copy.deepcopy(stock)).train()
    for name, value in stock.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            network.state_dict()[name].copy_(value)
    return network


def test_the_names_are_those_of_the_stock_network(stock: nn.Module, folded: nn.Module) -> None:
    wanted = [name for name in stock.state_dict() if not name.endswith("num_batches_tracked")]
    assert list(folded.state_dict()) == wanted
    trained = {name for name, _ in folded.named_parameters()}
    assert trained == {name for name in wanted if stock.state_dict()[name].ndim == 4}


def test_maps_and_gradients_are_those_of_the_stock_network(stock: nn.Module, folded: nn.Module) -> None:
    pixels = torch.randn(2, 3, 64, 96)
    for found, expected in zip(folded(pixels), stock(pixels), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    gradients = []
    for network in (stock, folded):
        sum(level.square().mean() for level in network(pixels)).backward()
        gradients.append({name: value.grad for name, value in network.named_parameters() if value.ndim == 4})
    for name, expected in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def test_half_precision_stays_half(stock: nn.Module, folded: nn.Module) -> None:
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = folded(pixels)
    with torch.no_grad():
        wanted = stock(pixels)
    for level, expected in zip(found, wanted, strict=True):
        assert level.dtype == torch.bfloat16
        assert float((level.float() - expected).abs().mean() / expected.abs().mean()) < 0.02


def test_a_copy_has_norms_of_its_own(folded: nn.Module) -> None:
    pixels = torch.randn(1, 3, 64, 64)
    before = folded(pixels)[0]
    twin = copy.deepcopy(folded)
    for name, value in twin.named_buffers():
        if name.endswith("bias"):
            value.add_(1)
    assert torch.equal(folded(pixels)[0], before)
    assert not torch.equal(twin(pixels)[0], before)


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.BatchNorm2d(3)),
        nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)),
        nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.ReLU(), nn.BatchNorm2d(4)),
    ],
)
def test_a_norm_that_cannot_be_folded(network: nn.Module) -> None:
    with pytest.raises(ValueError, match="does not follow a plain convolution"):
        with_folded_norms(network)
