"""What is worth keeping between runs of the quality benchmarks: features, divide's objects, masks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.backbone import Backbone
from stores.masks import MaskSet

_KEPT_AXES = 64


class StoredBackbone(Backbone):
    """A backbone that computes each input once: `forward` in memory until `forget`, `stages` in a folder.

    A stage is stored as its tokens on their 64 principal axes, float16; `pixel_tree` itself keeps fewer.
    """

    def __init__(self, inner: Backbone, folder: Path) -> None:
        super().__init__(inner.name, inner.stride, inner.dim, inner.defaults)
        self.inner = inner
        self.folder = folder
        self.answers: dict[str, torch.Tensor] = {}

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        key = _digest(pixels)
        if key not in self.answers:
            self.answers[key] = self.inner(pixels)
        return self.answers[key]

    def stages(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        arrays = stored_arrays(self.folder / f"{_digest(pixels)}.npz", lambda: self._reduced_stages(pixels))
        return [torch.from_numpy(arrays[f"stage{i}"].astype(np.float32))[None] for i in range(len(arrays))]

    def forget(self) -> None:
        self.answers.clear()

    def _reduced_stages(self, pixels: torch.Tensor) -> dict[str, np.ndarray]:
        stages = self.inner.stages(pixels)
        return {f"stage{i}": _reduced(stage[0]).numpy().astype(np.float16) for i, stage in enumerate(stages)}


def stored_masks(path: Path, compute: Callable[[], MaskSet]) -> MaskSet:
    """Masks from a file, or computed and written there."""
    arrays = stored_arrays(path, lambda: _arrays_of(compute()))
    values: dict[str, Any] = dict(arrays)
    values["size"] = int(arrays["size"][0]), int(arrays["size"][1])
    return MaskSet(**values)


def stored_arrays(path: Path, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays by name from a .npz file, or computed and written there in one step."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished.npz")
        np.savez(unfinished, **compute())
        unfinished.replace(path)
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def _arrays_of(masks: MaskSet) -> dict[str, np.ndarray]:
    return {field.name: np.asarray(getattr(masks, field.name)) for field in fields(MaskSet)}


def _reduced(stage: torch.Tensor) -> torch.Tensor:
    tokens = stage.reshape(-1, stage.shape[-1])
    centred = tokens - tokens.mean(dim=0)
    axes = torch.linalg.eigh(centred.T @ centred)[1][:, -_KEPT_AXES:]
    return (centred @ axes).reshape(*stage.shape[:2], -1)


def _digest(pixels: torch.Tensor) -> str:
    return hashlib.sha256(str(tuple(pixels.shape)).encode() + pixels.numpy().tobytes()).hexdigest()[:24]
