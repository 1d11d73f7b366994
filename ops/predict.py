"""Class-agnostic masks of whole images (spec 4.4), packed one at a time: no stack of full-size masks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from models.backbone import Precision, computing
from models.input_sides import nearest_side
from models.query_outputs import MASK
from ops.features import normalise_pixels
from ops.mask_kernels import enlarge, positive_boxes
from ops.nms import suppress
from ops.training_settings import PredictionSettings
from stores.masks import SOURCES, MaskSet, concatenate, tight_box

if TYPE_CHECKING:
    from models.whole_image import WholeImageModel

_CHUNK = 8


@dataclass(frozen=True)
class Predictions:
    """Masks of one image, best first.

    Attributes: masks, n of them, whose score is class probability times mean mask probability; class_score, (n,)
    float32, the first factor alone.
    """

    masks: MaskSet
    class_score: np.ndarray

    def take(self, indices: np.ndarray) -> Predictions:
        return Predictions(self.masks.take(indices), self.class_score[indices])

    def best(self, count: int) -> Predictions:
        return self.take(np.arange(min(count, len(self.masks))))


@dataclass(frozen=True)
class QueryMasks:
    """What the model says of one image: class probabilities (Q,), mask embeddings (Q, D), pixels (D, h, w)."""

    class_score: torch.Tensor
    embeddings: torch.Tensor
    mask_features: torch.Tensor


def predict(
    model: WholeImageModel,
    images: Sequence[np.ndarray],
    settings: PredictionSettings,
    *,
    source: str = "round1",
    precision: Precision = "auto",
) -> list[Predictions]:
    """Masks of each image, the same whatever the other images of its batch are.

    Images are scaled so that the short side is `short_side`, or the long one `long_side` if that would be passed,
    and each side to the nearest multiple of 32, so that nothing is padded; those of equal shape share forward passes.
    At several `scales` the masks of all are put together; use NMS then.

    Args:
        model: in eval mode, on its device.
        images: uint8 RGB (H, W, 3), of any sizes.
        source: what the masks' `source` column says, one of `stores.masks.SOURCES`.
        precision: of the forward pass; `auto` is bfloat16 where the device has it in hardware.

    Returns:
        At most `max_masks` masks an image, best score first, none empty.
    """
    groups: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for scale in settings.scales:
        for index, image in enumerate(images):
            groups[input_size(image.shape[:2], settings, scale)].append(index)
    found: defaultdict[int, list[Predictions]] = defaultdict(list)
    for size, members in groups.items():
        for start in range(0, len(members), settings.batch):
            batch = members[start : start + settings.batch]
            for index, queries in zip(batch, forward(model, [images[i] for i in batch], size, precision), strict=True):
                found[index].append(masks_of_queries(queries, images[index].shape[:2], settings, source))
    return [_joined(found[index], settings) for index in range(len(images))]


def input_size(size: tuple[int, int], settings: PredictionSettings, scale: float = 1.0) -> tuple[int, int]:
    """(H, W) at which the model sees an image of (H, W) `size`; `scale` is one of `settings.scales`."""
    scale *= min(settings.short_side / min(size), settings.long_side / max(size))
    return nearest_side(size[0] * scale), nearest_side(size[1] * scale)


@torch.inference_mode()
def forward(
    model: WholeImageModel, images: Sequence[np.ndarray], size: tuple[int, int], precision: Precision = "auto"
) -> Iterator[QueryMasks]:
    """Last output of the model for images resized to one size; they stay on the model's device."""
    resized = [np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR)) for image in images]
    device = next(model.parameters()).device
    with computing(precision, device):
        outputs = model(normalise_pixels(np.stack(resized)).to(device))
    class_score = outputs.class_logits[-1].softmax(-1)[..., MASK]
    for index in range(len(images)):
        yield QueryMasks(class_score[index], outputs.embeddings[-1][index], outputs.mask_features[index])


@torch.inference_mode()
def masks_of_queries(
    queries: QueryMasks, size: tuple[int, int], settings: PredictionSettings, source: str = "round1"
) -> Predictions:
    """The best queries' masks at the size of the image; mask = logit above 0 (spec 4.4).

    Logits exist at a quarter of the model's input and for `_CHUNK` queries at a time.
    """
    count = min(settings.max_masks, len(queries.class_score))
    class_score, kept = queries.class_score.float().topk(count)
    masks, sure = _masks(queries, kept, size, settings.min_area)
    probabilities = class_score.cpu().numpy()
    masks = masks.with_columns(score=probabilities * sure, source=SOURCES.index(source))
    return _selected(Predictions(masks, probabilities), settings)


def _masks(queries: QueryMasks, kept: torch.Tensor, size: tuple[int, int], min_area: int) -> tuple[MaskSet, np.ndarray]:
    """Masks of the queries `kept` and their mean probabilities, (n,) float32."""
    chunks, sure = [], []
    for start in range(0, len(kept), _CHUNK):
        embeddings = queries.embeddings[kept[start : start + _CHUNK]]
        logits = torch.einsum("qd,dhw->qhw", embeddings, queries.mask_features).float().cpu().numpy()
        masks, probability = _packed(logits, size, min_area)
        chunks.append(masks)
        sure.append(probability)
    return concatenate(chunks), np.concatenate(sure)


def _packed(logits: np.ndarray, size: tuple[int, int], min_area: int) -> tuple[MaskSet, np.ndarray]:
    """Resized logits above 0 as masks, and their mean probability; masks below `min_area` become empty."""
    boxes = np.zeros((len(logits), 4), np.int64)
    positive_boxes(logits, size, boxes)

    def one(index: int) -> tuple[tuple[int, int, int, int], np.ndarray, float]:
        left, top, right, bottom = boxes[index]
        crop = np.zeros((bottom - top, right - left), bool)
        total, count = enlarge(logits[index], size, boxes[index], crop)
        if count < min_area:
            return (0, 0, 0, 0), np.zeros((0, 0), bool), 0.0
        x, y, w, h = tight_box(crop)
        return (int(left) + x, int(top) + y, w, h), crop[y : y + h, x : x + w], total / count

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        tight, crops, probabilities = zip(*pool.map(one, range(len(logits))), strict=True)
    return MaskSet.from_crops(size, np.array(tight, np.int32), crops), np.array(probabilities, np.float32)


def _joined(parts: Sequence[Predictions], settings: PredictionSettings) -> Predictions:
    """What was found at every scale, as if it had been found at one."""
    if len(parts) == 1:
        return parts[0]
    together = Predictions(
        concatenate([part.masks for part in parts]), np.concatenate([part.class_score for part in parts])
    )
    return _selected(together, settings).best(settings.max_masks)


def _selected(predictions: Predictions, settings: PredictionSettings) -> Predictions:
    """Not empty, sure enough, no near copies; best first."""
    masks = predictions.masks
    kept = np.flatnonzero((masks.boxes[:, 2] > 0) & (masks.score >= settings.min_score))
    kept = kept[np.argsort(-masks.score[kept], kind="stable")]
    predictions = predictions.take(kept)
    if settings.nms_iou is not None:
        predictions = predictions.take(suppress(predictions.masks, settings.nms_iou, priority=predictions.masks.score))
    return predictions
