"""A promptable model as an edge detector (SAM's protocol, spec 10.4)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from models.prompts import Prompts
from ops.nms import suppress
from ops.prompt_evaluation.edges import edges_of_masks
from ops.prompt_evaluation.settings import PromptEvaluationSettings
from ops.promptable.mask_kernels import drawn
from ops.promptable.predictor import Predictor
from stores.masks import concatenate

_AT_ONCE = 32


def edge_map(predictor: Predictor, settings: PromptEvaluationSettings) -> np.ndarray:
    """Edges (H, W) in [0, 1] of the photo that is set: every mask of a grid of clicks, no filters but NMS."""
    frame = predictor.transform
    count = settings.edge_points
    places = (np.arange(count) + 0.5) / count
    x, y = np.meshgrid(places * frame.size[1], places * frame.size[0])
    clicks = torch.from_numpy(frame.apply_coords(np.stack([x.ravel(), y.ravel()], 1))).to(predictor.device)[:, None]
    logits, scores, packed = [], [], []
    for some in clicks.split(_AT_ONCE):
        answer = predictor.answer(Prompts.clicks(some))
        flat = answer.low_res_masks.flatten(0, 1)
        logits.append(flat.half().cpu())
        scores.append(answer.iou_predictions.flatten().cpu().numpy())
        packed.append(drawn(flat, frame).masks)
    masks = concatenate(packed)
    kept = suppress(masks, settings.edge_nms, priority=np.concatenate(scores))
    low = torch.cat(logits)

    def probabilities() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for index in kept:
            chance = frame.enlarged(low[int(index)].float()[None, None]).sigmoid()[0, 0].numpy()
            yield chance, masks.dense(int(index))

    return edges_of_masks(probabilities(), frame.size)
