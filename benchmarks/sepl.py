"""Assignment and selection against the authors' loop (spec 9.1): `python -m benchmarks.sepl`.

Bars: 200 images a second on one core at 100 masks, 20 classes and 500 x 375 pixels; 20 times the loop on masks that are
decoded already (the authors decode a PNG for each class and mask besides); identical label maps.
"""

from __future__ import annotations

from functools import partial
from statistics import median

import numpy as np

from benchmarks.machine import alternate, describe_machine, median_ratio, verdict
from ops.sepl.relabel import relabel
from ops.sepl.settings import SEPL_PRESETS
from stores.masks import MaskSet

RATE_BAR, RATIO_BAR = 200, 20
IMAGES, MASKS, CLASSES, SIZE = 8, 100, 21, (375, 500)
Case = tuple[np.ndarray, list[np.ndarray], MaskSet]


def plain_loop(labels: np.ndarray, masks: list[np.ndarray]) -> np.ndarray:
    """The release's algorithm, image-wide operations for every class and mask."""
    out = np.zeros_like(labels)
    seen: set[int] = set()
    for k in range(1, CLASSES):
        own = labels == k
        pixels = own.sum()
        if not pixels:
            continue
        union, taken = np.zeros_like(own), np.zeros_like(own)
        for index, mask in enumerate(masks):
            if index in seen:
                continue
            union |= mask
            both = (own & mask).sum()
            if 2 * both - mask.sum() > 0 or both / pixels >= 0.85:
                taken |= mask
                seen.add(index)
        out[taken | (own & ~union)] = k
    return out


def case(seed: int) -> Case:
    """A label map in which all 20 classes are blobs, and ellipses of all sizes as masks."""
    generator = np.random.default_rng(seed)
    labels = np.zeros(SIZE, np.uint8)
    for k in generator.permutation(np.arange(1, CLASSES)):
        labels[_ellipse(generator, 0.15)] = k
    masks = [_ellipse(generator, generator.choice([0.05, 0.1, 0.2, 0.4])) for _ in range(MASKS)]
    return labels, masks, MaskSet.from_dense(masks, SIZE)


def _ellipse(generator: np.random.Generator, scale: float) -> np.ndarray:
    rows, columns = np.ogrid[: SIZE[0], : SIZE[1]]
    centre, radii = generator.uniform(0, SIZE), generator.uniform(0.3, 1, 2) * scale * np.array(SIZE) + 1
    return ((rows - centre[0]) / radii[0]) ** 2 + ((columns - centre[1]) / radii[1]) ** 2 < 1


def all_relabelled(cases: list[Case], preset: str) -> list[np.ndarray]:
    return [relabel(labels, packed, CLASSES, SEPL_PRESETS[preset]).labels for labels, _, packed in cases]


def main() -> None:
    print(describe_machine())
    cases = [case(seed) for seed in range(IMAGES)]
    area = np.mean([packed.areas().mean() for _, _, packed in cases]) / np.prod(SIZE)
    print(f"{IMAGES} images of {SIZE[1]} x {SIZE[0]}, {MASKS} masks of {area:.1%} on average, {CLASSES - 1} classes")
    plain = [plain_loop(labels, masks) for labels, masks, _ in cases]
    same = all(np.array_equal(a, b) for a, b in zip(plain, all_relabelled(cases, "code"), strict=True))
    print(f"code preset and plain loop are identical: {same} ({verdict(same)})")
    for preset in SEPL_PRESETS:
        ours, theirs = alternate(
            partial(all_relabelled, cases, preset), lambda: [plain_loop(labels, masks) for labels, masks, _ in cases]
        )
        rate, ratio = IMAGES / median(ours), median_ratio(theirs, ours)
        if SEPL_PRESETS[preset].prices:
            print(f"{preset:7} {rate:6.0f} images/s, {ratio:5.0f} times the plain loop (several covers: no bar)")
            continue
        print(
            f"{preset:7} {rate:6.0f} images/s ({verdict(rate >= RATE_BAR)}, bar {RATE_BAR}), "
            f"{ratio:5.0f} times the plain loop ({verdict(ratio >= RATIO_BAR)}, bar {RATIO_BAR})"
        )


if __name__ == "__main__":
    main()
