"""The promptable model as a training task: its loader, its simulated users, its loss (spec 7.3 and 10.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from models.backbone import computing_in
from models.image_embedding import ImageEmbedding
from ops.features import IMAGENET_MEAN, IMAGENET_STD
from ops.mask_loader import Batch, MaskLoader
from ops.mask_losses import LossTerms
from ops.promptable.conversation import Describe, Judgement, hold, masks_of, open_conversations
from ops.promptable.settings import PromptableSettings
from ops.promptable.text import TextEncoder, mask_picture
from ops.training import TrainingTask
from ops.training_source import TrainingSource

if TYPE_CHECKING:
    from models.promptable import PromptableModel


class PromptableTask(TrainingTask):
    """Trains a promptable model on the masks of any source.

    Args:
        model: on the device where it trains.
        source: photos and masks.
        settings: of the run; the loader's crop must have the model's size.
        fingerprint: names the data; checkpoints of other data are refused.
        text_encoder: CLIP, for prompts that are texts; in training its views of masks stand for words.

    Raises:
        ValueError: texts without CLIP, or a crop of another size than the model's input.
    """

    def __init__(
        self,
        model: PromptableModel,
        source: TrainingSource,
        settings: PromptableSettings,
        fingerprint: str = "",
        text_encoder: TextEncoder | None = None,
    ) -> None:
        if settings.loader.size != model.shape.image_size:
            raise ValueError(f"crops of {settings.loader.size} pixels for a model of {model.shape.image_size}")
        if settings.prompting.text and text_encoder is None:
            raise ValueError("prompting.text needs a text encoder")
        self.model = model
        self._text_encoder = text_encoder
        self._promptable = model
        self.fingerprint = f"{fingerprint}:{len(source)}"
        self._source = source
        self._settings = settings

    def backbone_parameters(self) -> Iterable[nn.Parameter]:
        return self._promptable.pyramid.body.parameters()

    def batches(self, first_step: int, rank: int, workers: int) -> Iterator[Batch]:
        settings = self._settings
        loader = MaskLoader(self._source, settings.loader, settings.batch // workers, settings.seed, rank, workers)
        return loader.batches(first_step)

    def loss(self, model: nn.Module, batch: Batch, generator: torch.Generator, dtype: torch.dtype) -> LossTerms:
        device = generator.device

        def converse(embedding: ImageEmbedding) -> list[Judgement]:
            return [
                self._converse(embedding.of_image(image), batch, image, generator)
                for image, count in enumerate(batch.targets.counts)
                if count
            ]

        with computing_in(dtype, device):
            judged = model(batch.pixels.to(device, non_blocking=True), converse)
        return _joined(judged, self._promptable, self._settings)

    def _describer(self, batch: Batch, image: int, seed: int) -> Describe | None:
        encoder = self._text_encoder
        if encoder is None or not self._settings.prompting.text:
            return None
        photo, generator = _photo(batch.pixels[image]), np.random.default_rng((seed, 1))
        return lambda frames: encoder.of_pictures([mask_picture(photo, frame, generator) for frame in frames])

    def _converse(self, embedding: ImageEmbedding, batch: Batch, image: int, generator: torch.Generator) -> Judgement:
        settings = self._settings
        masks = masks_of(batch.targets.to(generator.device), image, batch.score, batch.granularity)
        seed = int(torch.randint(2**62, (1,), generator=generator, device=generator.device))
        opening = open_conversations(
            masks, settings.model.outputs, settings.prompting, settings.loss, seed, self._describer(batch, image, seed)
        )
        return hold(self._promptable, embedding, masks, opening, settings.prompting, settings.loss, generator)


def _photo(pixels: torch.Tensor) -> np.ndarray:
    """Normalised pixels (3, S, S) as a picture (S, S, 3) uint8 again."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    return ((pixels.cpu() * std + mean) * 255).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()


def _joined(judged: list[Judgement], model: nn.Module, settings: PromptableSettings) -> LossTerms:
    """Means over all answers of the batch; every parameter stays in the graph, as data-parallel training wants it."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    total = 0 * torch.stack([parameter.sum() for parameter in trained]).sum()
    singles, multiples = (max(1, sum(getattr(part, name) for part in judged)) for name in ("singles", "multiples"))
    weights = settings.loss
    shares = {
        "single": (weights.single_weight / singles, [part.single for part in judged]),
        "multiple": (1 / multiples, [part.multiple for part in judged]),
        "score": (weights.score_weight / (singles + multiples), [part.score for part in judged]),
    }
    parts = {name: weight * sum(values, torch.zeros(())) for name, (weight, values) in shares.items()}
    return LossTerms(total + sum(parts.values()), {name: value.detach() for name, value in parts.items()})
