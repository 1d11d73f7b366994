"""From pixels to the image embedding of a promptable model: a backbone's maps and a small neck (spec 10.1)."""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import nn
from torch.nn import functional

from models.backbones import BACKBONES
from models.feature_pyramid import ChannelNorm, FeaturePyramid, VitPyramid, build_pyramid, load_pretrained
from models.image_embedding import ImageEmbedding
from models.weights import WeightsUnavailable, from_hub, load_weights

_MAE = ("vit_base_patch16_224.mae", "vit_large_patch16_224.mae")
_SWIN = "swin_tiny_patch4_window7_224"
ENCODERS = (*BACKBONES, *_MAE, _SWIN)


class ImageEncoder(nn.Module):
    """A backbone and the neck that joins its maps of strides 8, 16 and 32 at stride 16.

    Args:
        pyramid: the backbone's maps of strides 4, 8, 16 and 32.
        dim: channels of the embedding.
        fine: give the maps of strides 8 and 4 too.
    """

    def __init__(self, pyramid: FeaturePyramid, dim: int, fine: bool) -> None:
        super().__init__()
        self.pyramid = pyramid
        quarter, eighth, sixteenth, thirty_second = pyramid.channels
        self.laterals = nn.ModuleList(
            nn.Conv2d(channels, dim, 1, bias=False) for channels in (eighth, sixteenth, thirty_second)
        )
        self.norms = nn.ModuleList(ChannelNorm(dim) for _ in self.laterals)
        self.smooth = nn.Sequential(nn.Conv2d(dim, dim, 3, padding=1, bias=False), ChannelNorm(dim))
        self.fine = nn.ModuleList(
            [nn.Conv2d(eighth, dim // 4, 1), nn.Conv2d(quarter, dim // 8, 1)] if fine else [],
        )

    def forward(self, pixels: torch.Tensor) -> ImageEmbedding:
        """The embedding of ImageNet-normalised pixels (B, 3, S, S)."""
        quarter, eighth, sixteenth, thirty_second = self.pyramid(pixels)
        size = sixteenth.shape[-2:]
        joined = sum(
            functional.interpolate(norm(lateral(level)), size, mode="area" if level is eighth else "bilinear")
            for lateral, norm, level in zip(self.laterals, self.norms, (eighth, sixteenth, thirty_second), strict=True)
        )
        fine = tuple(layer(level) for layer, level in zip(self.fine, (eighth, quarter), strict=False))
        return ImageEmbedding(self.smooth(joined), fine)


class SwinPyramid(FeaturePyramid):
    """The four stages of a Swin-T (Liu et al. 2021), as UnSAM's promptable model has it (spec 7.1).

    Args:
        frozen_stages: 0 trains all, 1 freezes the patch embedding, 2 also the first stage, ... 5 all of it.
    """

    def __init__(self, frozen_stages: int = 0) -> None:
        super().__init__()
        body: Any = timm.create_model(_SWIN, pretrained=False, features_only=True, img_size=None, strict_img_size=False)
        self.body = body
        self.channels = tuple(body.feature_info.channels())
        for stage in ("patch_embed", "layers_0", "layers_1", "layers_2", "layers_3")[:frozen_stages]:
            body[stage].requires_grad_(False)

    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        return [level.permute(0, 3, 1, 2).contiguous() for level in self.body(pixels)]

    def load(self, state: dict[str, torch.Tensor]) -> None:
        wanted = self.body.state_dict()
        given = {_timm_name(name): value for name, value in state.items()}
        missing = sorted(wanted.keys() - given.keys())
        if missing:
            raise RuntimeError(f"{len(missing)} tensors are missing, such as {missing[:3]}")
        self.body.load_state_dict({name: given[name] for name in wanted})


def build_encoder_pyramid(name: str, frozen_stages: int = 0) -> FeaturePyramid:
    """The trainable maps of an encoder by name, its weights random.

    Raises:
        ValueError: the name is none of `ENCODERS`.
    """
    if name not in ENCODERS:
        raise ValueError(f"unknown image encoder {name!r}; there are {', '.join(ENCODERS)}")
    if name == _SWIN:
        return SwinPyramid(frozen_stages)
    return VitPyramid(name.split(".")[0], frozen_stages) if name in _MAE else build_pyramid(name, frozen_stages)


def load_encoder_weights(pyramid: FeaturePyramid, name: str, weights: str | None = None) -> None:
    """Fill a pyramid with self-supervised weights: those of `weights` (a file or URL), or the name's own.

    Raises:
        WeightsUnavailable: they cannot be had, or belong to another network; of a Swin-T there are none without a file.
    """
    if name in BACKBONES:
        load_pretrained(pyramid, name, weights)
        return
    if weights is None and name == _SWIN:
        raise WeightsUnavailable(
            f"{name} has no self-supervised weights on the hub: name the file of MoBY's "
            "(moby_swin_t_300ep_pretrained.pth), or choose another backbone"
        )
    state = load_weights(weights) if weights else from_hub(lambda: _fetch(name), name)
    try:
        pyramid.load(state)
    except RuntimeError as error:
        raise WeightsUnavailable(f"the weights {weights or 'by default'} do not fit {name}: {error}") from error


def _fetch(name: str) -> dict[str, torch.Tensor]:
    return timm.create_model(name, pretrained=True, num_classes=0).state_dict()


def _timm_name(name: str) -> str:
    """A tensor of a Swin checkpoint, MoBY's or Microsoft's, as timm's list of stages names it."""
    bare = name.removeprefix("encoder.")
    if not bare.startswith("layers."):
        return bare
    stage, _, rest = bare.removeprefix("layers.").partition(".")
    if rest.startswith("downsample."):  # timm puts it before a stage, the papers' code behind the one before
        stage = str(int(stage) + 1)
    return f"layers_{stage}.{rest}"
