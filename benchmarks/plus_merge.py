"""Merging human and unsupervised masks of SA-1B-sized photos: `python -m benchmarks.plus_merge`.

Bar: at least 50 images a second and core, 300 human and 300 unsupervised masks of 1500 x 2250. The whole merge is timed
as the asset does it: the rule, the union, copies left out, the tree; and the rule by IoUs of run-length encodings.
"""

from __future__ import annotations

from statistics import median

import numpy as np

from benchmarks.machine import alternate, describe_machine, median_ratio, verdict
from ops.plus_labels import apart_from, merge_plus_labels
from stores.masks import SOURCES, MaskSet
from stores.rle import iou

BAR = 50
SIZE = (1500, 2250)
MASKS = 300
TAU = 0.02
SMALLEST, LARGEST = 30**2, 0.3 * SIZE[0] * SIZE[1]
LOBES = 5
ROUNDS = 7


def lobed_masks(count: int, seed: int, source: str) -> MaskSet:
    """Masks with wavy outlines; areas log-uniform from 30² pixels to 30 % of the photo, places uniform."""
    generator = np.random.default_rng(seed)
    boxes, crops = [], []
    for _ in range(count):
        area = np.exp(generator.uniform(np.log(SMALLEST), np.log(LARGEST)))
        stretch, turn = np.exp(generator.uniform(-0.7, 0.7)), generator.uniform(0, 2 * np.pi)
        across, down = np.sqrt(area * stretch / np.pi), np.sqrt(area / stretch / np.pi)
        height, width = int(min(2 * down + 1, SIZE[0])), int(min(2 * across + 1, SIZE[1]))
        rows, columns = np.mgrid[:height, :width]
        y, x = (rows - height / 2) / down, (columns - width / 2) / across
        crop = x**2 + y**2 < 0.8 + 0.2 * np.sin(LOBES * np.arctan2(y, x) + turn)
        filled_rows, filled_columns = np.flatnonzero(crop.any(1)), np.flatnonzero(crop.any(0))
        crop = crop[filled_rows[0] : filled_rows[-1] + 1, filled_columns[0] : filled_columns[-1] + 1]
        top, left = (int(generator.integers(SIZE[axis] - crop.shape[axis] + 1)) for axis in (0, 1))
        boxes.append((left, top, crop.shape[1], crop.shape[0]))
        crops.append(crop)
    return MaskSet.from_crops(SIZE, np.array(boxes), crops, source=SOURCES.index(source))


def main() -> None:
    human, found = lobed_masks(MASKS, 0, "human"), lobed_masks(MASKS, 1, "tree")
    kept = apart_from(found, human, TAU)
    by_encodings = np.flatnonzero(iou(found, human).max(axis=1) <= TAU)
    print(describe_machine())
    share = 100 * np.mean(human.areas()) / np.prod(SIZE)
    print(f"{MASKS} x {MASKS} masks of {SIZE[0]} x {SIZE[1]}, of {share:.1f} % of the photo on average")
    merged, rule, encoded = alternate(
        lambda: merge_plus_labels(human, found, TAU),
        lambda: apart_from(found, human, TAU),
        lambda: iou(found, human).max(axis=1) <= TAU,
        rounds=ROUNDS,
    )
    rate = 1 / median(merged)
    print(f"whole merge: {rate:.0f} images/s (bar {BAR}: {verdict(rate >= BAR)}), {1000 * median(merged):.1f} ms")
    print(f"the rule alone: {1000 * median(rule):.1f} ms, {median_ratio(encoded, rule):.0f}x as fast as by encodings")
    print(f"kept {len(kept)} of {MASKS}; the same as by encodings: {np.array_equal(kept, by_encodings)}")


if __name__ == "__main__":
    main()
