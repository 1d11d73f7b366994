"""The grouping model as a training task: its loss."""

from __future__ import annotations

import torch
from torch import nn

from models.backbone import computing_in
from ops.grouping.losses import grouping_loss
from ops.mask_loader import Batch
from ops.mask_losses import LossTerms
from ops.mask_training import MaskTask


class GroupingTask(MaskTask):
    """Trains a grouping model on what the masks of a source say of their pixels."""

    def loss(self, model: nn.Module, batch: Batch, generator: torch.Generator, dtype: torch.dtype) -> LossTerms:
        device = generator.device
        with computing_in(dtype, device):
            embedding = model(batch.pixels.to(device, non_blocking=True))
        targets, score = batch.targets.to(device), batch.score.to(device)
        return grouping_loss(embedding, targets, score, self.settings.grouping_loss, generator)
