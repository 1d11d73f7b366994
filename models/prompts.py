"""Prompts of one image as tensors, in the pixels of the model's input."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

BACKGROUND, FOREGROUND, TOP_LEFT, BOTTOM_RIGHT, NO_POINT = 0, 1, 2, 3, -1


@dataclass(frozen=True)
class Prompts:
    """N prompts of one image, of equally many points each.

    Shapes:
        points: (N, T, 2) float32, x then y; a box is two points, its corners, one after the other.
        labels: (N, T) int64: FOREGROUND, BACKGROUND, TOP_LEFT, BOTTOM_RIGHT, or NO_POINT, which SAM adds to prompts
            without a box.
        masks: (N, h, w) float32 logits of an earlier answer, at a quarter of the input's side; None for none.
        granularity: (N,) float32 in [0.1, 1], NaN where none is asked for; None for none at all.
        text: (N, D) float32, a CLIP embedding each; None for none.
    """

    points: torch.Tensor
    labels: torch.Tensor
    masks: torch.Tensor | None = None
    granularity: torch.Tensor | None = None
    text: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.points)

    @classmethod
    def clicks(cls, points: torch.Tensor, labels: torch.Tensor | None = None) -> Prompts:
        """Clicks (N, T, 2), foreground unless `labels` (N, T) say otherwise."""
        given = torch.ones(points.shape[:2], dtype=torch.int64, device=points.device) if labels is None else labels
        return cls(*_with(points, given, points.new_zeros(len(points), 1, 2), (NO_POINT,)))

    @classmethod
    def boxes(
        cls, boxes: torch.Tensor, points: torch.Tensor | None = None, labels: torch.Tensor | None = None
    ) -> Prompts:
        """Boxes (N, 4) of left, top, right, bottom, with further clicks (N, T, 2) and their labels."""
        if points is None:
            points = boxes.new_zeros(len(boxes), 0, 2)
        if labels is None:
            labels = torch.ones(points.shape[:2], dtype=torch.int64, device=points.device)
        return cls(*_with(points, labels, boxes.reshape(-1, 2, 2), (TOP_LEFT, BOTTOM_RIGHT)))

    def with_click(self, points: torch.Tensor, labels: torch.Tensor) -> Prompts:
        """The same prompts with one more click each, (N, 2) and (N,)."""
        return replace(
            self,
            points=torch.cat([points[:, None], self.points], 1),
            labels=torch.cat([labels[:, None], self.labels], 1),
        )

    def take(self, rows: torch.Tensor | slice) -> Prompts:
        """Some of the prompts."""
        picked = {name: value[rows] for name, value in vars(self).items() if value is not None}
        return Prompts(**picked)

    def to(self, device: torch.device | str) -> Prompts:
        return Prompts(**{name: value.to(device) for name, value in vars(self).items() if value is not None})


def _with(
    points: torch.Tensor, labels: torch.Tensor, more: torch.Tensor, kinds: tuple[int, ...]
) -> tuple[torch.Tensor, torch.Tensor]:
    further = torch.tensor(kinds, device=labels.device).expand(len(points), -1)
    return torch.cat([points, more], 1), torch.cat([labels.long(), further], 1)
