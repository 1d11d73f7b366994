"""The grouping model as a training task: its loader, its loss, its parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import torch
from torch import nn

from models.backbone import computing_in
from ops.grouping.losses import grouping_loss
from ops.mask_loader import Batch, MaskLoader
from ops.mask_losses import LossTerms
from ops.training import TrainingTask
from ops.training_settings import TrainingSettings
from ops.training_source import TrainingSource

if TYPE_CHECKING:
    from models.grouping import GroupingModel


class GroupingTask(TrainingTask):
    """Trains a model on what the masks of a source say of their pixels.

    Args:
        model: on the device where it trains.
        source: photos and masks.
        settings: of the run.
        fingerprint: names the data; checkpoints of other data are refused.
    """

    def __init__(
        self, model: GroupingModel, source: TrainingSource, settings: TrainingSettings, fingerprint: str = ""
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
        with computing_in(dtype, device):
            embedding = model(batch.pixels.to(device, non_blocking=True))
        targets, score = batch.targets.to(device), batch.score.to(device)
        return grouping_loss(embedding, targets, score, self._settings.grouping_loss, generator)
