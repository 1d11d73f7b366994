"""Prompts in, masks out, for one photo at a time: SAM's `SamPredictor` with its names, shapes and coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.backbone import Precision, computing
from models.image_embedding import ImageEmbedding
from models.prompts import Prompts
from ops.promptable.checks import (
    PromptError,
    checked_boxes,
    checked_granularity,
    checked_image,
    checked_mask,
    checked_points,
)
from ops.promptable.embeddings import SavedEmbedding, load_embedding, model_digest, save_embedding
from ops.promptable.frame import Frame
from ops.promptable.mask_kernels import drawn_dense

if TYPE_CHECKING:
    from models.promptable import PromptableModel
    from ops.promptable.text import TextEncoder


@dataclass(frozen=True)
class Answer:
    """Masks for B prompts of one photo, C each.

    Shapes: low_res_masks (B, C, side / 4, side / 4) float32 logits, which a later prompt takes as `mask_input`;
    iou_predictions (B, C) float32; frame, of the photo.
    """

    low_res_masks: torch.Tensor
    iou_predictions: torch.Tensor
    frame: Frame


class Predictor:
    """Answers prompts about the photo that was set last.

    Points are (x, y), boxes (left, top, right, bottom), both in pixels of the photo, as in SAM. A model of K outputs
    gives K masks for `multimask_output=True`, of which a click's may be a part, the object and what it belongs to,
    and one otherwise; with a `granularity` it gives the one mask of that size.

    Args:
        model: in eval mode, on its device.
        precision: of encoder and decoder; places stay exact. `auto` is bfloat16 where the device has it in hardware.
        text_encoder: turns words into CLIP embeddings; None refuses text.
    """

    mask_threshold = 0.0
    image_format = "RGB"

    def __init__(
        self, model: PromptableModel, precision: Precision = "auto", text_encoder: TextEncoder | None = None
    ) -> None:
        self.model = model
        self._precision = precision
        self._text_encoder = text_encoder
        self._frame: Frame | None = None
        self._features: ImageEmbedding | None = None

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def is_image_set(self) -> bool:
        return self._features is not None

    @property
    def original_size(self) -> tuple[int, int]:
        """(H, W) of the photo."""
        return self._set()[0].size

    @property
    def input_size(self) -> tuple[int, int]:
        """(H, W) of the photo inside the model's square input."""
        return self._set()[0].input_size

    @property
    def transform(self) -> Frame:
        """Scales coordinates of the photo to those of the model's input: `apply_coords_torch`, `apply_boxes_torch`."""
        return self._set()[0]

    @torch.inference_mode()
    def set_image(self, image: np.ndarray, image_format: str = "RGB") -> None:
        """Encode a photo, once for all of its prompts.

        Args:
            image: (H, W, 3) uint8.
            image_format: `RGB` or `BGR`.

        Raises:
            PromptError: no such image.
        """
        if image_format not in ("RGB", "BGR"):
            raise PromptError(f"image_format is RGB or BGR, not {image_format!r}")
        image = checked_image(image)
        frame = Frame((image.shape[0], image.shape[1]), self.model.shape.image_size)
        features = self._encoded(frame.pixels(image if image_format == "RGB" else image[..., ::-1].copy()))
        self._frame, self._features = frame, features

    @property
    def current(self) -> tuple[tuple[int, int], ImageEmbedding]:
        """(H, W) of the photo and its embedding, which `use` takes back."""
        frame, features = self._set()
        return frame.size, features

    def use(self, size: tuple[int, int], embedding: ImageEmbedding) -> None:
        """Go on with a photo whose embedding `current` gave."""
        self._frame, self._features = Frame(size, self.model.shape.image_size), embedding

    def reset_image(self) -> None:
        """Forget the photo."""
        self._frame = self._features = None

    def predict(
        self,
        point_coords: np.ndarray | None = None,
        point_labels: np.ndarray | None = None,
        box: np.ndarray | None = None,
        mask_input: np.ndarray | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
        *,
        text: str | None = None,
        granularity: float | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Masks for one prompt: any number of points, a box, an earlier mask, a text, together or alone.

        Args:
            point_coords: (N, 2), x and y in pixels of the photo.
            point_labels: (N,), 1 foreground, 0 background.
            box: (4,), left, top, right, bottom.
            mask_input: (1, side / 4, side / 4), from `low_res_masks` of an earlier answer.
            multimask_output: K candidates, for a prompt that may mean several things, or one mask.
            return_logits: real numbers instead of booleans.
            text: what to find; needs a model that was trained with CLIP and its weights.
            granularity: 0.1 (finest part) to 1 (whole); gives one mask, whatever `multimask_output` says.

        Returns:
            masks (C, H, W) bool, iou_predictions (C,) float32, low_res_masks (C, side / 4, side / 4) float32.

        Raises:
            PromptError: nothing asked for, or something that cannot be answered.
            WeightsUnavailable: text without CLIP weights.
            RuntimeError: no photo is set.
        """
        frame, _ = self._set()
        points, labels = checked_points(point_coords, point_labels, frame.size)
        boxes = checked_boxes(box, frame.size)
        if points.ndim != 2 or (boxes is not None and boxes.ndim != 1):
            raise PromptError("one prompt at a time; predict_torch takes several")
        if not len(points) and boxes is None and mask_input is None and text is None:
            raise PromptError("an empty prompt: give a point, a box, a mask or a text")
        masks = checked_mask(mask_input, self.model.shape.image_size // 4)
        prompts = self._prompts(
            points[None], labels[None], None if boxes is None else boxes[None], masks, text, granularity
        )
        answer = self._answered(prompts, multimask_output and granularity is None)
        if return_logits:
            shown = frame.enlarged(answer.low_res_masks)[0].cpu().numpy()
        else:
            shown = drawn_dense(answer.low_res_masks[0], frame)
        return shown, answer.iou_predictions[0].cpu().numpy(), answer.low_res_masks[0].cpu().numpy()

    def predict_torch(
        self,
        point_coords: torch.Tensor | None,
        point_labels: torch.Tensor | None,
        boxes: torch.Tensor | None = None,
        mask_input: torch.Tensor | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
        *,
        granularity: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """As `predict`, for B prompts of equally many points at once; points and boxes already through `transform`.

        Args:
            point_coords: (B, N, 2). point_labels: (B, N). boxes: (B, 4). mask_input: (B, 1, side / 4, side / 4).
            granularity: (B,), NaN where none is asked for.

        Returns:
            masks (B, C, H, W), iou_predictions (B, C), low_res_masks (B, C, side / 4, side / 4).
        """
        given = [value for value in (point_coords, boxes, mask_input) if value is not None]
        if not given:
            raise PromptError("an empty prompt: give points, boxes or masks")
        if point_coords is not None and point_labels is None:
            raise PromptError(
                "point_coords need point_labels: 1 for each foreground point, 0 for each background point"
            )
        nothing = torch.zeros(len(given[0]), 0, 2, device=self.device)
        points = nothing if point_coords is None else point_coords.to(self.device)
        labels = torch.zeros(points.shape[:2]) if point_labels is None else point_labels
        prompts = _joined(points.float(), labels.to(self.device), None if boxes is None else boxes.to(self.device))
        extra = {
            "masks": None if mask_input is None else mask_input[:, 0].to(self.device),
            "granularity": None if granularity is None else granularity.to(self.device),
        }
        answer = self._answered(Prompts(prompts.points, prompts.labels, **extra), multimask_output)
        logits = answer.frame.enlarged(answer.low_res_masks)
        return logits if return_logits else logits > 0, answer.iou_predictions, answer.low_res_masks

    def get_image_embedding(self) -> torch.Tensor:
        """(1, D, side / 16, side / 16) of the photo."""
        return self._set()[1].coarse.float()

    def save_embedding(self, path: str | Path) -> None:
        """Keep the photo's embedding as a safetensors file, so that it need not be encoded again."""
        frame, features = self._set()
        save_embedding(SavedEmbedding(frame.size, model_digest(self.model), features), path)

    def load_embedding(self, path: str | Path) -> None:
        """Go on with a kept embedding, as after `set_image`.

        Raises:
            PromptError: no such file, a damaged one, or the embedding of another model.
        """
        saved = load_embedding(path, model_digest(self.model))
        self.use(saved.size, saved.embedding.map(lambda tensor: tensor.to(self.device)))

    @torch.inference_mode()
    def answer(self, prompts: Prompts, multimask_output: bool = True) -> Answer:
        """Low-resolution masks for prompts in pixels of the model's input."""
        return self._answered(prompts, multimask_output)

    @torch.inference_mode()
    def _encoded(self, pixels: torch.Tensor) -> ImageEmbedding:
        with computing(self._precision, self.device):
            return self.model.encode(pixels.to(self.device))

    @torch.inference_mode()
    def _answered(self, prompts: Prompts, multiple: bool) -> Answer:
        frame, features = self._set()
        outputs = range(1, 1 + self.model.shape.outputs) if multiple else range(1)
        with computing(self._precision, self.device):
            found = self.model.answer(features, prompts)
            low_res_masks = self.model.draw(features, found, outputs)
        return Answer(low_res_masks, found.scores[:, list(outputs)], frame)

    def _prompts(
        self,
        points: np.ndarray,
        labels: np.ndarray,
        boxes: np.ndarray | None,
        masks: np.ndarray | None,
        text: str | None,
        granularity: float | None,
    ) -> Prompts:
        """One prompt in the model's input."""
        frame, _ = self._set()
        wanted = checked_granularity(granularity)
        joined = _joined(
            torch.from_numpy(frame.apply_coords(points)),
            torch.from_numpy(labels),
            None if boxes is None else torch.from_numpy(frame.apply_boxes(boxes)),
        )
        if wanted is not None and not self.model.shape.granularity:
            raise PromptError("this model takes no granularity")
        return Prompts(
            joined.points,
            joined.labels,
            None if masks is None else torch.from_numpy(masks),
            None if wanted is None else torch.tensor([wanted], dtype=torch.float32),
            None if text is None else self._text(text),
        ).to(self.device)

    def _text(self, text: str) -> torch.Tensor:
        if not text.strip():
            raise PromptError("an empty text")
        if not self.model.shape.text_dim:
            raise PromptError("this model takes no text: train one with model.text_dim set to the width of CLIP's")
        if self._text_encoder is None:
            raise PromptError("text needs CLIP: name its weights (a folder, or a model of the hub)")
        embedding = self._text_encoder.of_text(text)
        if embedding.shape[-1] != self.model.shape.text_dim:
            raise PromptError(
                f"this model was trained with CLIP embeddings of {self.model.shape.text_dim}, not {embedding.shape[-1]}"
            )
        return embedding[None]

    def _set(self) -> tuple[Frame, ImageEmbedding]:
        if self._frame is None or self._features is None:
            raise RuntimeError("no image is set: call set_image before asking for masks")
        return self._frame, self._features


def _joined(points: torch.Tensor, labels: torch.Tensor, boxes: torch.Tensor | None) -> Prompts:
    return Prompts.clicks(points, labels) if boxes is None else Prompts.boxes(boxes, points, labels)
