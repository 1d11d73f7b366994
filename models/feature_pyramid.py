"""Trainable feature maps of strides 4, 8, 16 and 32 from a self-supervised backbone (spec 4.1, row backbone)."""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import nn
from torch.nn import functional

from models.backbones import BACKBONES
from models.frozen_norms import with_folded_norms
from models.weights import WeightsUnavailable, load_weights

STRIDES = (4, 8, 16, 32)
_PYRAMID_DIM = 256
_RESNET50_NAMES = ("augnet_resnet50", "dino_resnet50")


class FeaturePyramid(nn.Module):
    """A network that turns ImageNet-normalised pixels into one map a stride; its sides must divide by 32.

    Attributes: channels, C of each map from fine to coarse; body, the part with self-supervised weights.
    """

    channels: tuple[int, ...]
    body: nn.Module

    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """Maps (B, C_i, H / s_i, W / s_i) for s_i in `STRIDES` of pixels (B, 3, H, W)."""
        raise NotImplementedError

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Take over the self-supervised weights.

        Raises:
            RuntimeError: they belong to another network.
        """
        raise NotImplementedError


class ResNetPyramid(FeaturePyramid):
    """The four stages of a ResNet without dilation, batch norm frozen (spec 4.1: norm unset is FrozenBN).

    Args:
        architecture: a ResNet of timm.
        frozen_stages: 0 trains all, 1 freezes the stem, 2 also the first stage, ... 5 all of it.
    """

    def __init__(self, architecture: str = "resnet50", frozen_stages: int = 0) -> None:
        super().__init__()
        body: Any = timm.create_model(architecture, pretrained=False, features_only=True, out_indices=(1, 2, 3, 4))
        self.channels = tuple(body.feature_info.channels())
        self.body = with_folded_norms(body)
        for stage in ("conv1", "layer1", "layer2", "layer3", "layer4")[:frozen_stages]:
            body[stage].requires_grad_(False)

    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        return self.body(pixels)

    def load(self, state: dict[str, torch.Tensor]) -> None:
        wanted = self.body.state_dict().keys()
        missing = sorted(wanted - state.keys())
        if missing:
            raise RuntimeError(f"{len(missing)} tensors are missing, such as {missing[:3]}")
        self.body.load_state_dict({name: state[name] for name in wanted})


class VitPyramid(FeaturePyramid):
    """ViTDet's simple feature pyramid (Li et al. 2022): all strides from the last map of a plain ViT.

    Args:
        architecture: a ViT of timm with patches of 8 or 16 pixels.
        frozen_stages: blocks to freeze, counted from the input; the patch embedding goes with the first.
    """

    def __init__(self, architecture: str, frozen_stages: int = 0) -> None:
        super().__init__()
        body: Any = timm.create_model(architecture, pretrained=False, num_classes=0, dynamic_img_size=True)
        self.body: Any = body
        self.patch = int(body.patch_embed.patch_size[0])
        self.channels = (_PYRAMID_DIM,) * len(STRIDES)
        self.levels = nn.ModuleList(_vit_level(body.embed_dim, self.patch, stride) for stride in STRIDES)
        if frozen_stages:
            body.patch_embed.requires_grad_(False)
        body.blocks[:frozen_stages].requires_grad_(False)

    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        height, width = (side // self.patch for side in pixels.shape[-2:])
        tokens = self.body.forward_features(pixels)[:, self.body.num_prefix_tokens :]
        grid = tokens.transpose(1, 2).reshape(len(pixels), -1, height, width)
        return [level(grid) for level in self.levels]

    def load(self, state: dict[str, torch.Tensor]) -> None:
        self.body.load_state_dict({name: value for name, value in state.items() if not name.startswith("head.")})


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of (B, C, H, W)."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        moved = functional.layer_norm(
            features.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps
        )
        return moved.permute(0, 3, 1, 2)


def build_pyramid(name: str, frozen_stages: int = 0) -> FeaturePyramid:
    """The pyramid of a backbone of `models.backbones`, weights random; `pretrained_state` has those to load.

    Raises:
        ValueError: the name is unknown.
    """
    if name not in BACKBONES:
        raise ValueError(f"unknown backbone {name!r}; there are {', '.join(sorted(BACKBONES))}")
    if name in _RESNET50_NAMES:
        return ResNetPyramid("resnet50", frozen_stages)
    return VitPyramid(name.split(".")[0], frozen_stages)


def load_pretrained(pyramid: FeaturePyramid, name: str, weights: str | None = None) -> None:
    """Fill a pyramid with the self-supervised weights of backbone `name`, or those of the file or URL `weights`.

    Raises:
        WeightsUnavailable: the weights cannot be had, or belong to another network.
    """
    state = load_weights(weights) if weights else BACKBONES[name].default_weights()
    try:
        pyramid.load(state)
    except RuntimeError as error:
        raise WeightsUnavailable(f"the weights {weights or 'by default'} do not fit {name}: {error}") from error


def _vit_level(dim: int, patch: int, stride: int) -> nn.Sequential:
    steps: list[nn.Module] = []
    at = patch
    while at > stride:
        steps += [nn.ConvTranspose2d(dim, dim // 2, 2, stride=2), ChannelNorm(dim // 2), nn.GELU()]
        dim, at = dim // 2, at // 2
    while at < stride:
        steps.append(nn.MaxPool2d(2))
        at *= 2
    return nn.Sequential(
        *steps,
        nn.Conv2d(dim, _PYRAMID_DIM, 1, bias=False),
        ChannelNorm(_PYRAMID_DIM),
        nn.Conv2d(_PYRAMID_DIM, _PYRAMID_DIM, 3, padding=1, bias=False),
        ChannelNorm(_PYRAMID_DIM),
    )
