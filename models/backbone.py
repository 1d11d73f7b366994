"""What every backbone has: its own defaults, a grid of features, and features of several depths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

Precision = Literal["auto", "float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class BackboneDefaults:
    """Settings that belong to the features, since similarities are not comparable between backbones.

    tau: MaskCut's edge threshold on the cosine (spec 2.2). thetas: merging thresholds, descending (spec 3.1).
    centre: subtract the image's mean token before any cosine. size: side in pixels of the whole image's input.
    """

    tau: float
    thetas: tuple[float, ...]
    centre: bool
    size: int


class Backbone(nn.Module):
    """A frozen self-supervised network that turns pixels into a grid of tokens.

    Attributes: name; stride, pixels a token; dim, C; weight_hash, provenance; defaults; dtype it computes in.
    """

    def __init__(self, name: str, stride: int, dim: int, defaults: BackboneDefaults) -> None:
        super().__init__()
        self.name = name
        self.stride = stride
        self.dim = dim
        self.defaults = defaults
        self.weight_hash = ""
        self.dtype = torch.float32

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Features (B, h, w, C) float32 of ImageNet-normalised pixels (B, 3, H, W), h = H / stride.

        Raises:
            ValueError: the sides of the pixels are no multiples of the stride.
        """
        raise NotImplementedError

    def stages(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """Features of several depths, shallow to deep: (B, h_i, w_i, C_i) float32 each; the last is `forward`'s."""
        raise NotImplementedError

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def prepare(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels on the backbone's device and in its precision."""
        height, width = pixels.shape[-2:]
        if height % self.stride or width % self.stride:
            raise ValueError(
                f"{self.name} needs sides that are multiples of {self.stride}, got (H, W) = {height, width}"
            )
        return pixels.to(device=self.device, dtype=self.dtype)

    def finish(self, device: str | torch.device, dtype: torch.dtype) -> Backbone:
        """Freeze the network, move it to its device and precision."""
        self.dtype = dtype
        return self.requires_grad_(False).eval().to(device=device, dtype=dtype)


def best_device() -> str:
    """`cuda` where there is a GPU, else `cpu`."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def resolve_precision(precision: Precision, device: str | torch.device) -> torch.dtype:
    """The dtype to compute in; `auto` takes bfloat16 where the CPU or GPU has it in hardware, else float32."""
    if precision != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[precision]
    return torch.bfloat16 if _has_bfloat16(torch.device(device)) else torch.float32


def computing(precision: Precision, device: str | torch.device) -> torch.autocast:
    """A context in which float32 networks compute in that precision where it suits them."""
    return computing_in(resolve_precision(precision, device), device)


def computing_in(dtype: torch.dtype, device: str | torch.device) -> torch.autocast:
    """The same, where the precision is resolved already."""
    return torch.autocast(torch.device(device).type, dtype, enabled=dtype != torch.float32)


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))
    return False
