"""What a mask model says of images; apart from the model, so that losses need not import it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

MASK, NO_MASK = 0, 1


@dataclass(frozen=True)
class QueryOutputs:
    """What the model says of B images; outputs run from the learned queries to the last layer.

    Shapes: embeddings, (B, Q, D) an output; class_logits, (B, Q, 2) an output (`MASK`, `NO_MASK`); mask_features,
    (B, D, h, w) at a quarter of the image. All of them float32.
    """

    embeddings: list[torch.Tensor]
    class_logits: list[torch.Tensor]
    mask_features: torch.Tensor

    def mask_logits(self, output: int = -1) -> torch.Tensor:
        """Mask logits (B, Q, h, w) of one output."""
        return torch.einsum("bqd,bdhw->bqhw", self.embeddings[output], self.mask_features)
