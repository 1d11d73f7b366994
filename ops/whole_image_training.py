"""The whole-image model as a training task: its loader, its loss, its parts (spec 4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import torch
from torch import nn

from models.backbone import computing_in
from ops.mask_loader import Batch, MaskLoader
from ops.mask_losses import LossTerms, PointSampler, mask_set_losses, target_count
from ops.training import TrainingTask
from ops.training_settings import TrainingSettings
from ops.training_source import TrainingSource

if TYPE_CHECKING:
    from models.whole_image import WholeImageModel


class WholeImageTask(TrainingTask):
    """Trains a model on the masks of a source.

    Args:
        model: on the device where it trains.
        source: photos and masks.
        settings: of the run.
        fingerprint: names the data; checkpoints of other data are refused.
    """

    def __init__(
        self, model: WholeImageModel, source: TrainingSource, settings: TrainingSettings, fingerprint: str = ""
    ) -> None:
        self.model = model
        self._backbone = model.pyramid.body
        self.fingerprint = f"{fingerprint}:{len(source)}"
        self._source = source
        self._settings = settings

    def backbone_parameters(self) -> Iterable[nn.Parameter]:
        return self._backbone.parameters()

    def batches(self, first_step: int, rank: int, workers: int) -> Iterator[Batch]:
        settings = self._settings
        loader = MaskLoader(self._source, settings.loader, settings.batch // workers, settings.seed, rank, workers)
        return loader.batches(first_step)

    def loss(self, model: nn.Module, batch: Batch, generator: torch.Generator, dtype: torch.dtype) -> LossTerms:
        device = generator.device
        targets = batch.targets.to(device)
        with computing_in(dtype, device):
            outputs = model(batch.pixels.to(device, non_blocking=True))
        sampler = PointSampler(self._settings.loss, generator)
        return mask_set_losses(outputs, targets, self._settings.loss, sampler, target_count(targets))
