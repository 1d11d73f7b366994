"""Words against human masks: what a text finds of a category (spec 10.4; SAM shows it and gives no numbers)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.weights import WeightsUnavailable
from ops.ground_truth import GroundTruth
from ops.prompt_evaluation.clicks import overlap
from ops.prompt_evaluation.settings import PromptEvaluationSettings
from ops.promptable.predictor import Predictor
from ops.promptable.simulation import innermost

if TYPE_CHECKING:
    from models.promptable import PromptableModel
    from ops.promptable.text import TextEncoder


@dataclass(frozen=True)
class TextAnswer:
    """How the masks of one category of a photo were found by its name.

    Attributes:
        joined: IoU of the text's mask and all masks of the category together.
        nearest: largest IoU of the text's mask and one of them.
        clicked: IoU of the largest of them and the answer to the text with a click in its middle.
    """

    joined: float
    nearest: float
    clicked: float


def answer_text(predictor: Predictor, text: str, truth: Sequence[np.ndarray]) -> TextAnswer:
    """Ask the photo that is set for a text.

    Args:
        truth: the masks that it means, (H, W) bool each, at least one and none empty.
    """
    found = predictor.predict(text=text, multimask_output=False)[0][0]
    largest = max(truth, key=lambda mask: int(mask.sum()))
    place, _ = innermost(largest)
    clicked, _, _ = predictor.predict(np.array([place]), np.array([1]), text=text, multimask_output=False)
    return TextAnswer(
        joined=overlap(found, np.any(truth, axis=0)),
        nearest=max(overlap(found, mask) for mask in truth),
        clicked=overlap(clicked[0], largest),
    )


def summarise_texts(answers: Sequence[TextAnswer]) -> dict[str, float | None]:
    """Means over the categories of all photos, in [0, 1], and how many there were; nothing without answers."""
    if not answers:
        return {}
    numbers: dict[str, float | None] = {
        f"text_{name}": float(np.mean([getattr(answer, name) for answer in answers]))
        for name in ("joined", "nearest", "clicked")
    }
    return numbers | {"texts": float(len(answers))}


class TextEvaluation:
    """CLIP for the models that are evaluated, or the reason why there are no texts.

    Args:
        settings: `clip` names the weights.
        truth: whose masks have categories, or not.
    """

    def __init__(
        self, settings: PromptEvaluationSettings, truth: GroundTruth, device: str | torch.device = "cpu"
    ) -> None:
        self._template = settings.text_template
        self._encoder: TextEncoder | None = None
        self._reason = ""
        if not settings.clip:
            self._reason = "no CLIP weights are named (setting clip: a folder, or a name on the hub)"
        elif not any(mask.category for mask in truth.masks):
            self._reason = "the dataset names no categories"
        else:
            self._load(settings.clip, device)

    def encoder_for(self, model: PromptableModel) -> TextEncoder | None:
        """CLIP, for a model that takes its embeddings."""
        return None if self.skipped(model) else self._encoder

    def skipped(self, model: PromptableModel) -> str:
        """Why a model is asked for no texts; empty where it is asked."""
        if not model.shape.text_dim:
            return "the model takes no text (it was made with model.text_dim=0)"
        if self._encoder and self._encoder.width != model.shape.text_dim:
            return f"the model takes embeddings of {model.shape.text_dim}, this CLIP makes {self._encoder.width}"
        return self._reason

    def text(self, category: str) -> str:
        """What is asked for a category."""
        return self._template.format(category)

    def _load(self, source: str, device: str | torch.device) -> None:
        from ops.promptable.text import TextEncoder

        try:
            self._encoder = TextEncoder(source, device)
        except WeightsUnavailable as error:
            self._reason = str(error)
