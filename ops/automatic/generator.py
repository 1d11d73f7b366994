"""A grid of clicks, and of their masks those that are sure, stable and distinct (spec 10.2).

Masks are packed as they are drawn: no full-size logit and no stack of full-size masks ever exists. A click none of
whose masks is sure enough is never drawn at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torchvision.ops import nms as box_nms

from models.backbone import Precision, computing
from models.image_embedding import ImageEmbedding
from models.promptable_config import STRIDE
from models.prompts import Prompts
from ops.automatic.candidates import Candidates, OutputMode, joined
from ops.automatic.crops import Box, Crop, crops_of, cut_by_crop, grid_points
from ops.automatic.regions import without_small_regions
from ops.automatic.settings import GeneratorSettings
from ops.mask_tree import build_tree
from ops.nms import suppress
from ops.promptable.checks import checked_image
from ops.promptable.frame import Frame
from ops.promptable.mask_kernels import drawn
from stores.masks import SOURCES, MaskSet

if TYPE_CHECKING:
    from models.promptable import PromptableModel

_DRAWN_AT_ONCE = 8
_CACHE = 4 * 2**20
"""Bytes; the layers' other arrays are a few times as large."""


class AutomaticMaskGenerator:
    """Everything that a promptable model sees in a photo.

    Args:
        model: in eval mode, on its device.
        settings: SAM's knobs.
        precision: of encoder and decoder; places stay exact. `auto` is bfloat16 where the device has it in hardware.
    """

    def __init__(
        self, model: PromptableModel, settings: GeneratorSettings | None = None, precision: Precision = "auto"
    ) -> None:
        self.model = model
        self.settings = settings or GeneratorSettings()
        self._precision = precision

    def generate(self, image: np.ndarray, output_mode: OutputMode = "binary_mask") -> list[dict[str, object]]:
        """Masks of a photo (H, W, 3) uint8 as SAM's generator returns them: a dictionary each.

        Raises:
            PromptError: no such image.
        """
        return self.candidates(image).records(output_mode)

    def tree(self, image: np.ndarray) -> MaskSet:
        """Masks of a photo as one tree, best first; `score` is the mean of predicted IoU and stability."""
        found = self.candidates(image)
        score = (found.predicted_iou + found.stability) / 2
        masks = found.masks.with_columns(
            score=score, confidence=found.predicted_iou.clip(0, 1), source=SOURCES.index("prompt")
        )
        return build_tree(masks.take(np.argsort(-score, kind="stable")))

    @torch.inference_mode()
    def candidates(self, image: np.ndarray) -> Candidates:
        """Masks of a photo with their scores.

        Raises:
            PromptError: no such image.
        """
        image = checked_image(image)
        size = (image.shape[0], image.shape[1])
        crops = crops_of(size, self.settings)
        found = joined([self._of_crop(image, crop, size) for crop in crops], size)
        if len(crops) > 1:
            areas = (found.crop_boxes[:, 2:] - found.crop_boxes[:, :2]).prod(1)
            found = found.take(self._distinct(found, 1 / np.maximum(areas, 1), self.settings.crop_nms_thresh))
        if self.settings.min_mask_region_area:
            found = self._cleaned(found)
        return found

    def _of_crop(self, image: np.ndarray, crop: Crop, size: tuple[int, int]) -> Candidates:
        part = crop.cut(image)
        frame = Frame((part.shape[0], part.shape[1]), self.model.shape.image_size)
        clicks = grid_points(frame.size, crop.layer, self.settings)
        embedding = self._encoded(frame.pixels(part))
        many = self._clicks_at_once()
        lots = [
            self._filtered(found, crop, size)
            for start in range(0, len(clicks), many)
            for found in self._clicked(embedding, frame, clicks[start : start + many])
        ]
        placed = joined([self._placed(lot, crop.box, size) for lot in lots], size)
        return placed.take(self._distinct(placed, placed.predicted_iou, self.settings.nms_thresh))

    def _clicks_at_once(self) -> int:
        """A batch of them; on a processor no more than those whose views of the image stay in its cache together."""
        batch, shape = self.settings.points_per_batch, self.model.shape
        if self.model.device.type != "cpu":
            return batch
        view = 4 * shape.dim * (shape.image_size // STRIDE) ** 2
        return max(1, min(batch, _CACHE // view))

    def _clicked(self, embedding: ImageEmbedding, frame: Frame, clicks: np.ndarray) -> Iterator[Candidates]:
        """Sure masks of some clicks, in the frame of the crop, a few clicks at a time."""
        points = torch.from_numpy(frame.apply_coords(clicks)).to(self.model.device)[:, None]
        with computing(self._precision, self.model.device):
            answers = self.model.answer(embedding, Prompts.clicks(points))
        sure = answers.scores[:, 1:] > self.settings.pred_iou_thresh
        if not self.settings.pred_iou_thresh:
            sure = torch.ones_like(sure)
        rows = sure.any(1).nonzero()[:, 0]
        outputs = range(1, 1 + self.model.shape.outputs)
        for some in rows.split(_DRAWN_AT_ONCE):
            with computing(self._precision, self.model.device):
                logits = self.model.draw(embedding, answers.take(some), outputs)[sure[some]]
            found = drawn(logits, frame, self.settings.stability_score_offset)
            clicked = some.repeat_interleave(sure[some].sum(1)).cpu().numpy()
            score = answers.scores[some, 1:][sure[some]].cpu().numpy()
            yield Candidates(found.masks, score, found.stability, clicks[clicked], np.zeros((len(score), 4), np.int64))

    def _filtered(self, found: Candidates, crop: Crop, size: tuple[int, int]) -> Candidates:
        """Those that are stable, not too large, and not cut off by the crop."""
        left, top, _, _ = crop.box
        x, y, w, h = found.masks.boxes.T
        # SAM's boxes end at the last pixel, not behind it.
        boxes = np.stack([x + left, y + top, x + left + w - 1, y + top + h - 1], 1)
        stable = found.stability >= self.settings.stability_score_thresh
        small = found.masks.areas() <= self.settings.max_area * size[0] * size[1]
        return found.take(np.flatnonzero(stable & small & (w > 0) & ~cut_by_crop(boxes, crop.box, size)))

    def _placed(self, found: Candidates, box: Box, size: tuple[int, int]) -> Candidates:
        """From the frame of a crop to that of the photo."""
        masks = found.masks
        moved = MaskSet.from_crops(
            size,
            masks.boxes + np.array([box[0], box[1], 0, 0], np.int32),
            [masks.crop(index) for index in range(len(masks))],
        )
        return Candidates(
            moved, found.predicted_iou, found.stability, found.points + box[:2], np.tile(box, (len(found), 1))
        )

    def _distinct(self, found: Candidates, priority: np.ndarray, most: float) -> np.ndarray:
        """Indices of the masks that overlap no better one by more than `most`, best first."""
        if self.settings.nms == "masks":
            return suppress(found.masks, most, priority=priority)
        x, y, w, h = found.masks.boxes.T.astype(np.float32)
        corners = torch.from_numpy(np.stack([x, y, x + w - 1, y + h - 1], 1))
        return box_nms(corners, torch.from_numpy(np.asarray(priority, np.float32)), most).numpy()

    def _cleaned(self, found: Candidates) -> Candidates:
        """Without small holes and islands, and without the copies that this makes; unchanged masks go first."""
        masks, changed = without_small_regions(found.masks, self.settings.min_mask_region_area)
        most = max(self.settings.nms_thresh, self.settings.crop_nms_thresh)
        cleaned = found.with_masks(masks)
        return cleaned.take(self._distinct(cleaned, (~changed).astype(np.float32), most))

    def _encoded(self, pixels: torch.Tensor) -> ImageEmbedding:
        device = self.model.device
        with computing(self._precision, device):
            return self.model.encode(pixels.to(device))
