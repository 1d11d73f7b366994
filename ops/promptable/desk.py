"""One model for many people at once: photos are encoded when first asked about and a few are kept."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from models.image_embedding import ImageEmbedding
from ops.promptable.checks import checked_image
from ops.promptable.predictor import Predictor

if TYPE_CHECKING:
    from models.promptable import PromptableModel
    from ops.promptable.text import TextEncoder


@dataclass(frozen=True)
class Question:
    """A prompt about a photo, in its pixels: clicks (x, y, 1 or 0), a box of left, top, right, bottom."""

    clicks: tuple[tuple[float, float, int], ...] = ()
    box: tuple[float, float, float, float] | None = None
    text: str | None = None
    granularity: float | None = None

    @property
    def empty(self) -> bool:
        return not self.clicks and self.box is None and not self.text

    @property
    def ambiguous(self) -> bool:
        """A lone click, which may mean a part, a thing, or what it belongs to."""
        return len(self.clicks) == 1 and self.box is None and not self.text and self.granularity is None


class PromptDesk:
    """Answers questions about any photos; safe in threads, one question at a time.

    Args:
        model: in eval mode, on its device.
        text_encoder: for texts; None refuses them.
        kept: embeddings that stay; the photo that was not asked about for longest goes first, and is encoded anew
            when somebody comes back to it.
    """

    def __init__(self, model: PromptableModel, text_encoder: TextEncoder | None = None, kept: int = 8) -> None:
        self.model = model
        self._predictor = Predictor(model, text_encoder=text_encoder)
        self._kept = kept
        self._embeddings: OrderedDict[str, tuple[tuple[int, int], ImageEmbedding]] = OrderedDict()
        self._lock = Lock()

    def ask(self, image: np.ndarray, question: Question) -> tuple[np.ndarray, np.ndarray]:
        """Masks (C, H, W) bool by falling score, and the scores (C,).

        Raises:
            PromptError, WeightsUnavailable: as `Predictor.predict`.
        """
        image = checked_image(image)
        with self._lock:
            self._set(image)
            points = np.array([click[:2] for click in question.clicks], np.float64)
            found, scores, _ = self._predictor.predict(
                points if question.clicks else None,
                np.array([click[2] for click in question.clicks]) if question.clicks else None,
                None if question.box is None else np.array(question.box),
                multimask_output=question.ambiguous,
                text=question.text or None,
                granularity=question.granularity,
            )
        order = np.argsort(-scores, kind="stable")
        return found[order], scores[order]

    def _set(self, image: np.ndarray) -> None:
        key = hashlib.sha256(image.tobytes() + str(image.shape).encode()).hexdigest()
        if key in self._embeddings:
            self._predictor.use(*self._embeddings[key])
        else:
            self._predictor.set_image(image)
            self._embeddings[key] = self._predictor.current
        self._embeddings.move_to_end(key)
        while len(self._embeddings) > self._kept:
            self._embeddings.popitem(last=False)
