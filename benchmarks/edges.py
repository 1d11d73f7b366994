"""The boundary benchmark of BSDS500: people against each other, and how long 200 maps of 99 thresholds take.

    python -m benchmarks.edges FOLDER [--images 100]

FOLDER holds ID.jpg and ID.mat. Each annotator is scored against the others of his image, as one map; the literature
gives ODS 0.80 for people. Timed maps are the photos' own gradients, on all cores.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.filters import gaussian, sobel

from benchmarks.machine import describe_machine, verdict
from ops.prompt_evaluation.edges import EdgeCounts, count_edges, human_counts, score_edges, thin_edges
from stores.bsds import boundaries, read_bsds

_HUMAN, _SLACK = 0.80, 0.02
_MINUTES, _IMAGES = 10, 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--timed", type=int, default=20)
    options = parser.parse_args()
    names = sorted(options.folder.glob("*.mat"))[: options.images]
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        human = [counts for several in pool.map(_people, names) for counts in several]
        begun = time.perf_counter()
        gradients = list(pool.map(_gradient, names[: options.timed]))
        seconds = (time.perf_counter() - begun) / len(gradients)
    ods = score_edges(human, np.array([0.5])).ods
    print(describe_machine())
    print(f"{len(names)} images, {len(human)} annotations: people against each other, F = {ods:.3f}", end=" ")
    print(f"(literature 0.80): {verdict(abs(ods - _HUMAN) <= _SLACK)}")
    minutes = seconds * _IMAGES / 60
    print(
        f"99 thresholds: {seconds:.2f} s an image, {minutes:.1f} minutes for {_IMAGES}: {verdict(minutes <= _MINUTES)}"
    )
    scores = score_edges(gradients)
    numbers = " ".join(f"{name} {value:.3f}" for name, value in scores.numbers().items())
    print(f"gradient of {len(gradients)} photos: {numbers}")


def _people(path: Path) -> list[EdgeCounts]:
    return list(human_counts(_annotators(path)))


def _gradient(path: Path) -> EdgeCounts:
    photo = np.asarray(Image.open(path.with_suffix(".jpg")).convert("L"), np.float64) / 255
    strength = sobel(gaussian(photo, 2))
    return count_edges(thin_edges(strength / strength.max()), _annotators(path))


def _annotators(path: Path) -> list[np.ndarray]:
    return [boundaries(labels).astype(bool) for labels in read_bsds(path.read_bytes())]


if __name__ == "__main__":
    main()
