"""Backbones by name: DINO vision transformers, DINO ResNet-50, and one whose weights ship with the installation."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass

import timm
import torch

from models.backbone import Backbone, BackboneDefaults, Precision, resolve_precision
from models.resnet import DilatedResNet50
from models.vision_transformer import KeyTransformer
from models.weights import OFFLINE_BACKBONE, WeightsUnavailable, from_hub, load_weights, packaged_weights, state_hash

__all__ = ["BACKBONES", "Backbone", "BackboneDefaults", "WeightsUnavailable", "load_backbone"]

_DINO_RESNET50_URL = "https://dl.fbaipublicfiles.com/dino/dino_resnet50_pretrain/dino_resnet50_pretrain.pth"
_DINO_VIT = BackboneDefaults(tau=0.15, thetas=(0.6, 0.5, 0.4, 0.3, 0.2, 0.1), centre=False, size=480)
_RESNET = BackboneDefaults(tau=0.15, thetas=(0.6, 0.5, 0.4, 0.3, 0.2, 0.1), centre=True, size=480)
_AUGNET = BackboneDefaults(tau=0.15, thetas=tuple(k / 20 for k in range(15, 0, -1)), centre=True, size=480)
_DINO_VIT_NAMES = (
    "vit_small_patch8_224.dino",
    "vit_small_patch16_224.dino",
    "vit_base_patch8_224.dino",
    "vit_base_patch16_224.dino",
)


@dataclass(frozen=True)
class BackboneSource:
    """How to build a backbone without weights, and where its weights come from if none are given."""

    build: Callable[[], KeyTransformer | DilatedResNet50]
    default_weights: Callable[[], dict[str, torch.Tensor]]


def load_backbone(
    name: str = OFFLINE_BACKBONE,
    weights: str | None = None,
    device: str | torch.device = "cpu",
    precision: Precision = "auto",
) -> Backbone:
    """A frozen backbone, ready to run.

    Args:
        name: one of `BACKBONES`.
        weights: a file (safetensors or plain tensors of torch) or URL; None takes the hub's or the package's own.
        device: where it runs.
        precision: `auto` is bfloat16 where the device has it in hardware, else float32.

    Raises:
        ValueError: the name is unknown.
        WeightsUnavailable: the weights cannot be fetched or read, or belong to another network.
    """
    if name not in BACKBONES:
        raise ValueError(f"unknown backbone {name!r}; there are {', '.join(sorted(BACKBONES))}")
    entry = BACKBONES[name]
    state = entry.default_weights() if weights is None else load_weights(weights)
    backbone = entry.build()
    try:
        backbone.load(state)
    except RuntimeError as error:
        reason = textwrap.shorten(str(error), 300)
        raise WeightsUnavailable(f"the weights {weights or 'by default'} do not fit {name}: {reason}") from error
    backbone.weight_hash = state_hash(state)
    return backbone.finish(device, resolve_precision(precision, device))


def _vit_entry(name: str) -> BackboneSource:
    def fetch() -> dict[str, torch.Tensor]:
        return timm.create_model(name, pretrained=True, num_classes=0).state_dict()

    return BackboneSource(lambda: KeyTransformer(name, name.split(".")[0], _DINO_VIT), lambda: from_hub(fetch, name))


BACKBONES: dict[str, BackboneSource] = {
    OFFLINE_BACKBONE: BackboneSource(
        lambda: DilatedResNet50(OFFLINE_BACKBONE, _AUGNET),
        lambda: load_weights(str(packaged_weights("imgsim", "model.pth"))),
    ),
    "dino_resnet50": BackboneSource(
        lambda: DilatedResNet50("dino_resnet50", _RESNET),
        lambda: load_weights(_DINO_RESNET50_URL),
    ),
    **{name: _vit_entry(name) for name in _DINO_VIT_NAMES},
}
