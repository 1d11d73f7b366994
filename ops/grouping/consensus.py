"""Masks on which several views of a photo agree: ranked by that and by what is new in each, outlines by vote."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ops.grouping.agreement import Pool, pool
from ops.grouping.odds import log_odds, scores
from ops.grouping.settings import GroupingPrediction
from ops.grouping.views import Proposed
from ops.kernels import kernel
from ops.pixel_tree.full_size import box_around, labels_at_size, leaf_boxes
from stores.masks import MaskSet, tight_box


def consensus(
    image: np.ndarray, views: list[Proposed], settings: GroupingPrediction, size: tuple[int, int], most: int
) -> MaskSet:
    """Masks of a uint8 RGB (H, W, 3) image, best first; `confidence` is their agreement.

    Args:
        views: what each proposes.
        size: (h, w) of the frame in which they are compared.
        most: masks to keep.

    Returns:
        Masks without a tree; none where no view found an edge.
    """
    if not views:
        return MaskSet.empty(image.shape[:2])
    found = pool(views, size)
    agreement = found.agreement(settings.agreement_decay)
    kept, score = choose(found.iou, ranks(found, agreement, settings), settings, most)
    masks = _outlines(image, found, kept, settings).with_columns(score=score, confidence=agreement[kept])
    return masks.take(np.flatnonzero(masks.boxes[:, 2] > 0))


def ranks(found: Pool, agreement: np.ndarray, settings: GroupingPrediction) -> np.ndarray:
    """(n,) log-odds of each candidate: its score's, less `agreement_weight` for all that its agreement lacks to 1.

    The score is in part its own view's, in part the mean of all views that have it (`shared_score`), in which each is
    weighed by the IoU of what it has, if that is `least_vote` at least.
    """
    own = log_odds(found.score)
    say = found.voices(settings.least_vote)
    beyond = (say * (own[found.partner] - own[:, None])).sum(axis=1) / (1 + say.sum(axis=1))
    return own + settings.shared_score * beyond + settings.agreement_weight * (agreement - 1)


def choose(iou: np.ndarray, odds: np.ndarray, settings: GroupingPrediction, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The best of n candidates one by one, each for what it shows that those before it do not.

    A candidate loses log-odds to all that were taken before it, for how much it overlaps them (`crowding`), and to the
    nearest of them as one that says the same again (`repetition`); beyond `largest_overlap` with one it is left out. So
    the next is where the best ones have not been yet: Soft-NMS (Bodla et al. 2017) with a sum over all better ones.

    Args:
        iou: (n, n) of the candidates. odds: (n,) their log-odds.
        most: k at most.

    Returns:
        (k,) int64 indices and their (k,) float32 scores in (0, 1), descending.
    """
    width = settings.largest_overlap - settings.repeated_overlap
    crowded, nearest = np.zeros(len(odds), np.float32), np.zeros(len(odds), np.float32)
    left = np.ones(len(odds), bool)
    chosen: list[int] = []
    final: list[float] = []
    while left.any() and len(chosen) < most:
        repeated = np.clip((nearest - settings.repeated_overlap) / width, 0, 1)
        worth = odds - settings.crowding * crowded - settings.repetition * repeated
        best = int(np.where(left, worth, -np.inf).argmax())
        chosen.append(best)
        final.append(float(worth[best]))
        overlap = iou[best].astype(np.float32)
        crowded += overlap**2
        np.maximum(nearest, overlap, out=nearest)
        left &= overlap <= settings.largest_overlap
        left[best] = False
    return np.array(chosen, np.int64), scores(np.array(final))


class Electorate:
    """The candidates of all views in the frame of the photo, to be put to the vote one by one.

    Args:
        image: uint8 RGB (H, W, 3).
        found: the pool.
        majority: share of the ballots above which a pixel belongs to a mask.
        blur: side in pixels, odd, of the square over which votes are averaged; 1 leaves them as they are.
    """

    def __init__(self, image: np.ndarray, found: Pool, majority: float = 0.5, blur: int = 1) -> None:
        self._found, self._majority, self._blur = found, majority, blur
        self._labels = [labels_at_size(view.labels, image) for view in found.views]
        counts = [1 + int(view.labels.max()) for view in found.views]
        self._boxes = [leaf_boxes(labels, count) for labels, count in zip(self._labels, counts, strict=True)]
        self._member = [np.zeros(count, bool) for count in counts]

    def outline(self, ballots: np.ndarray, partners: np.ndarray) -> tuple[tuple[int, int, int, int], np.ndarray]:
        """Tight box x, y, w, h and crop of the pixels that the majority of the ballots is for, neighbours included.

        A mask that is too thin to be seen once its votes are blurred keeps them as they are.

        Args:
            ballots: (V,) what each view's candidate counts, 0 for none. partners: (V,) these candidates.
        """
        views = np.flatnonzero(ballots).tolist()
        leaves = [self._leaves(view, partners[view]) for view in views]
        around = np.array([box_around(self._boxes[view][own]) for view, own in zip(views, leaves, strict=True)])
        top, left, bottom, right = self._widened(box_around(around))
        votes = np.zeros((max(bottom - top, 0), max(right - left, 0)), np.float32)
        for view, own, box in zip(views, leaves, around, strict=True):
            member = self._member[view]
            member[own] = True
            _add_votes(self._labels[view], member, box, ballots[view], top, left, votes)
            member[own] = False
        crop = self._elected(votes, self._majority * ballots.sum())
        x, y, w, h = tight_box(crop)
        return (int(left) + x, int(top) + y, w, h), crop[y : y + h, x : x + w]

    def _widened(self, box: np.ndarray) -> np.ndarray:
        """A box top, left, bottom, right with room for what the blur adds, inside the photo."""
        reach, size = self._blur // 2, self._labels[0].shape
        return np.concatenate([np.maximum(box[:2] - reach, 0), np.minimum(box[2:] + reach, size)])

    def _elected(self, votes: np.ndarray, least: float) -> np.ndarray:
        if self._blur > 1 and votes.size:
            blurred = ndimage.uniform_filter(votes, self._blur, mode="nearest") > least
            if blurred.any():
                return blurred
        return votes > least

    def _leaves(self, view: int, candidate: np.intp) -> np.ndarray:
        sets = self._found.views[view].sets
        own = candidate - self._found.starts[view]
        return sets.leaves[sets.offsets[own] : sets.offsets[own + 1]]


@kernel
def _add_votes(
    labels: np.ndarray, member: np.ndarray, box: np.ndarray, ballot: float, top: int, left: int, votes: np.ndarray
) -> None:
    """Add `ballot` to the pixels in `box` whose leaf is a member; `votes` begins at `top`, `left` of the labels."""
    for row in range(box[0], box[2]):
        for column in range(box[1], box[3]):
            if member[labels[row, column]]:
                votes[row - top, column - left] += ballot


def _outlines(image: np.ndarray, found: Pool, kept: np.ndarray, settings: GroupingPrediction) -> MaskSet:
    """Each mask where most views have it; a view's vote is its IoU with the mask, none below `least_vote`."""
    blur = 2 * round(settings.blur * max(image.shape[:2]) / 2) + 1
    electorate = Electorate(image, found, settings.majority, blur)
    ballots, partners = found.voices(settings.least_vote)[kept], found.partner[kept]
    own = np.arange(len(kept)), found.view_of()[kept]
    ballots[own], partners[own] = 1, kept
    outlines = [electorate.outline(*one) for one in zip(ballots, partners, strict=True)]
    boxes = np.array([box for box, _ in outlines], np.int32).reshape(-1, 4)
    return MaskSet.from_crops(image.shape[:2], boxes, [crop for _, crop in outlines])
