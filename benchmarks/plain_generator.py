"""SAM's automatic mask generator as its description reads (spec 10.2): every mask at full size, NMS on boxes."""

from __future__ import annotations

import numpy as np
import torch
from torchvision.ops import batched_nms

from models.promptable import PromptableModel
from models.prompts import Prompts
from ops.automatic.settings import GeneratorSettings
from ops.promptable.frame import Frame


@torch.inference_mode()
def plain_generate(
    model: PromptableModel, image: np.ndarray, settings: GeneratorSettings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Dense masks (n, H, W) bool, predicted IoU and stability (n,) of a photo, best first; one crop, no clean-up."""
    height, width = image.shape[:2]
    frame = Frame((height, width), model.shape.image_size)
    embedding = model.encode(frame.pixels(image))
    side = settings.points_per_side
    places = (np.arange(side) + 0.5) / side
    grid = np.stack([np.tile(places * width, side), np.repeat(places * height, side)], 1)
    points = torch.from_numpy(frame.apply_coords(grid))[:, None]
    offset = settings.stability_score_offset
    kept_masks, kept_scores, kept_stability = [], [], []
    for some in points.split(settings.points_per_batch):
        answers = model.answer(embedding, Prompts.clicks(some))
        low = model.draw(embedding, answers, range(1, 1 + model.shape.outputs))
        logits = frame.enlarged(low).flatten(0, 1)
        scores = answers.scores[:, 1:].flatten()
        sure = scores > settings.pred_iou_thresh
        logits, scores = logits[sure], scores[sure]
        stability = (logits > offset).sum((1, 2)) / (logits > -offset).sum((1, 2))
        stable = stability >= settings.stability_score_thresh
        kept_masks.append(logits[stable] > 0)
        kept_scores.append(scores[stable])
        kept_stability.append(stability[stable])
    masks, scores, stability = torch.cat(kept_masks), torch.cat(kept_scores), torch.cat(kept_stability)
    filled = masks.flatten(1).any(1)
    masks, scores, stability = masks[filled], scores[filled], stability[filled]
    boxes = torch.stack([_box(mask) for mask in masks]) if len(masks) else torch.zeros(0, 4)
    best = batched_nms(boxes, scores, torch.zeros(len(boxes)), settings.nms_thresh)
    return masks[best].numpy(), scores[best].numpy(), stability[best].numpy()


def _box(mask: torch.Tensor) -> torch.Tensor:
    rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
    return torch.stack([columns[0], rows[0], columns[-1], rows[-1]]).float()
