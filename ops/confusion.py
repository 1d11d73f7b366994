"""Mean IoU from one confusion matrix over a whole data set, background included, 255 left out (VOC's metric)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from stores.label_maps import IGNORE


class MismatchedLabels(ValueError):
    """Prediction and truth cannot be compared; the message says why."""


@dataclass
class Confusion:
    """Pixels by true and predicted label, added up image by image.

    Attributes:
        labels: how many there are, the background included.
        counts: (labels, labels) int64, row = truth, column = prediction.
        missed: (labels,) int64, pixels of each true label that were predicted as 255, which is no label.
    """

    labels: int
    counts: np.ndarray = field(init=False)
    missed: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.counts = np.zeros((self.labels, self.labels), np.int64)
        self.missed = np.zeros(self.labels, np.int64)

    def add(self, truth: np.ndarray, predicted: np.ndarray) -> None:
        """Add one image: (H, W) uint8 each. Pixels whose truth is 255 do not count.

        Raises:
            MismatchedLabels: other sizes, or a label beyond those there are.
        """
        if truth.shape != predicted.shape:
            raise MismatchedLabels(f"the truth has (H, W) = {truth.shape}, the prediction {predicted.shape}")
        both = np.bincount(truth.reshape(-1).astype(np.int64) * 256 + predicted.reshape(-1), minlength=65536)
        table = both.reshape(256, 256)[:IGNORE]
        if table[self.labels :].any() or table[:, self.labels : IGNORE].any():
            raise MismatchedLabels(f"labels of {self.labels} or more: there are 0 to {self.labels - 1}, and 255")
        self.counts += table[: self.labels, : self.labels]
        self.missed += table[: self.labels, IGNORE]

    def ious(self) -> np.ndarray:
        """IoU of each label, (labels,) float64; NaN where neither truth nor prediction has it."""
        both = np.diag(self.counts)
        either = self.counts.sum(axis=0) + self.counts.sum(axis=1) + self.missed - both
        return np.where(either > 0, both / np.maximum(either, 1), np.nan)

    def mean_iou(self) -> float:
        """Mean over the labels that occur; NaN where none does."""
        ious = self.ious()
        return float(np.nanmean(ious)) if np.isfinite(ious).any() else float("nan")


def image_iou(truth: np.ndarray, predicted: np.ndarray, labels: int) -> float:
    """Mean IoU of one image over the labels that occur in it, to rank images by; no number to report."""
    confusion = Confusion(labels)
    confusion.add(truth, predicted)
    return confusion.mean_iou()
