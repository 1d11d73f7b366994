"""The classifier and the segmentation network as tasks of the one trainer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import nn
from torch.nn import functional

from models.backbone import computing_in
from models.image_classifier import ImageClassifier
from models.semantic import SemanticModel
from ops.class_samples import ClassBatch, ClassSource, class_loader
from ops.mask_losses import LossTerms
from ops.training import TrainingTask
from ops.training_settings import RunSettings
from stores.label_maps import IGNORE

Criterion = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class ClassTask(TrainingTask):
    """Trains a network on photos and targets.

    Args:
        model: on the device where it trains.
        source: photos and their targets.
        criterion: (logits, targets) to the loss.
        settings: of the run.
        fingerprint: names the data; checkpoints of other data are refused.
    """

    def __init__(
        self,
        model: ImageClassifier | SemanticModel,
        source: ClassSource,
        criterion: Criterion,
        settings: RunSettings,
        fingerprint: str = "",
    ) -> None:
        self.model = model
        self.fingerprint = f"{fingerprint}:{len(source)}"
        self._body = model.body
        self._source, self._criterion, self._settings = source, criterion, settings

    def backbone_parameters(self) -> Iterable[nn.Parameter]:
        return self._body.parameters()

    def batches(self, first_step: int, rank: int, workers: int) -> Iterator[ClassBatch]:
        settings = self._settings
        own = settings.batch // workers
        return class_loader(self._source, settings.loader, own, settings.seed, rank, workers).batches(first_step)

    def loss(self, model: nn.Module, batch: ClassBatch, generator: torch.Generator, dtype: torch.dtype) -> LossTerms:
        device = generator.device
        with computing_in(dtype, device):
            logits = model(batch.pixels.to(device, non_blocking=True))
        return LossTerms(self._criterion(logits.float(), batch.targets.to(device)), {})


def tag_loss(logits: torch.Tensor, tags: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of each class, (B, K) both; the mean over images of the sum over classes."""
    return functional.binary_cross_entropy_with_logits(logits, tags, reduction="none").sum(dim=1).mean()


def pixel_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of the pixels that have a class: logits (B, K, H, W), labels (B, H, W); 0 where none has."""
    total = functional.cross_entropy(logits, labels, ignore_index=IGNORE, reduction="sum")
    return total / (labels != IGNORE).sum().clamp(min=1)
