"""What training tasks that learn from photos and their masks have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from torch import nn

from ops.mask_loader import Batch, MaskLoader
from ops.training import TrainingTask
from ops.training_settings import TrainingSettings
from ops.training_source import TrainingSource

if TYPE_CHECKING:
    from ops.model_files import MaskModel


class MaskTask(TrainingTask):
    """Trains a model on the masks of a source; what it loses is its subclass's.

    Args:
        model: on the device where it trains.
        source: photos and masks.
        settings: of the run.
        fingerprint: names the data; checkpoints of other data are refused.
    """

    def __init__(
        self, model: MaskModel, source: TrainingSource, settings: TrainingSettings, fingerprint: str = ""
    ) -> None:
        self.model = model
        self.settings = settings
        self.fingerprint = f"{fingerprint}:{len(source)}"
        self._backbone = model.pyramid.body
        self._source = source

    def backbone_parameters(self) -> Iterable[nn.Parameter]:
        return self._backbone.parameters()

    def batches(self, first_step: int, rank: int, workers: int) -> Iterator[Batch]:
        settings = self.settings
        loader = MaskLoader(self._source, settings.loader, settings.batch // workers, settings.seed, rank, workers)
        return loader.batches(first_step)
