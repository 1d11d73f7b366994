"""Target masks of a training batch as bits, and their values at any point of the image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ops.point_kernels import sample_shared_points


@dataclass(frozen=True)
class BitTargets:
    """Masks of B images of one size, eight pixels a byte: 1024² pixels of 200 masks are 26 MB, not 839.

    Shapes: bits, (T, H, ceil(W / 8)) uint8, the masks of all images in order, rows packed as `np.packbits` does;
    counts, masks of each image, with sum T; width, W.
    """

    bits: torch.Tensor
    counts: tuple[int, ...]
    width: int

    def __len__(self) -> int:
        return len(self.bits)

    def starts(self) -> list[int]:
        """Index of each image's first mask."""
        return [0, *np.cumsum(self.counts)[:-1].tolist()]

    def of_image(self, image: int) -> torch.Tensor:
        """The bits of one image's masks, (M, H, ceil(W / 8))."""
        start = self.starts()[image]
        return self.bits[start : start + self.counts[image]]

    def to(self, device: torch.device | str) -> BitTargets:
        return BitTargets(self.bits.to(device, non_blocking=True), self.counts, self.width)

    def dense(self) -> torch.Tensor:
        """(T, H, W) float32: what `transformers` wants; for tests and comparisons."""
        shifts = torch.arange(7, -1, -1, device=self.bits.device, dtype=torch.uint8)
        return ((self.bits[..., None] >> shifts) & 1).flatten(2)[..., : self.width].float()


def sample_shared(bits: torch.Tensor, width: int, points: torch.Tensor) -> torch.Tensor:
    """Bilinear values in [0, 1] of every mask at the same points: (M, P) float32 for points (P, 2), x and y in [0, 1].

    Outside the image counts as zero, as in `grid_sample` with `align_corners=False`.
    """
    if bits.device.type != "cpu":
        return sample(bits, width, points[None].expand(len(bits), -1, -1))
    values = np.empty((len(bits), len(points)), np.float32)
    sample_shared_points(bits.numpy(), width, points.numpy(), values)
    return torch.from_numpy(values)


def sample(bits: torch.Tensor, width: int, points: torch.Tensor) -> torch.Tensor:
    """Bilinear values of each mask at its own points: (M, P) float32 for points (M, P, 2); any device."""
    height = bits.shape[1]
    x, y = points[..., 0] * width - 0.5, points[..., 1] * height - 0.5
    left, top = x.floor(), y.floor()
    values = torch.zeros(points.shape[:2], device=bits.device)
    for column, across in ((left, left + 1 - x), (left + 1, x - left)):
        for row, down in ((top, top + 1 - y), (top + 1, y - top)):
            values += across * down * _bits_at(bits, width, column.long(), row.long())
    return values


def _bits_at(bits: torch.Tensor, width: int, columns: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < bits.shape[1])
    columns, rows = columns.clamp(0, width - 1), rows.clamp(0, bits.shape[1] - 1)
    masks = torch.arange(len(bits), device=bits.device)[:, None]
    byte = bits[masks, rows, columns >> 3].long()
    return ((byte >> (7 - (columns & 7))) & 1) * inside
