"""The whole-image model as a training task: its loss (spec 4)."""

from __future__ import annotations

import torch
from torch import nn

from models.backbone import computing_in
from ops.mask_loader import Batch
from ops.mask_losses import LossTerms, PointSampler, mask_set_losses, target_count
from ops.mask_training import MaskTask


class WholeImageTask(MaskTask):
    """Trains a whole-image model to find the masks of a source."""

    def loss(self, model: nn.Module, batch: Batch, generator: torch.Generator, dtype: torch.dtype) -> LossTerms:
        device = generator.device
        targets = batch.targets.to(device)
        with computing_in(dtype, device):
            outputs = model(batch.pixels.to(device, non_blocking=True))
        sampler = PointSampler(self.settings.loss, generator)
        return mask_set_losses(outputs, targets, self.settings.loss, sampler, target_count(targets))
