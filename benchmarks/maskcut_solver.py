"""MaskCut's eigen-solver, and MaskCut as a whole, against the papers' dense generalised eigen-solve.

Run: `python -m benchmarks.maskcut_solver [--photos 32] [--timed 3] [--cache FOLDER]`. Both sides get the same graph:
tokens of `augnet_resnet50` at 480 pixels (60 x 60 = 3600), its own tau. Photos come from `../shared/data` where it is,
else from scikit-image and scikit-learn.

Bars: 60 times as fast, one cut against one cut; IoU of the two bipartitions, up to complement, at least 0.999 on each
of 30 photos or more.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.machine import alternate, describe_machine, median_ratio, verdict
from benchmarks.photos import load_photos, tokens_of
from benchmarks.plain_maskcut import plain_maskcut, plain_vector
from models.backbones import load_backbone
from ops.affinity import BinaryAffinity
from ops.eigen import second_eigenvector
from ops.features import normalise_tokens
from ops.maskcut import maskcut
from ops.settings import DivideSettings

SPEED_BAR, IOU_BAR = 60, 0.999
ROUNDS = 3
PAPER = DivideSettings(painted="zero", overlap_with="previous", after_rejection="continue")


def main() -> None:
    arguments = _parser().parse_args()
    print(describe_machine())
    backbone = load_backbone()
    photos = load_photos(arguments.photos)
    tokens = [
        normalise_tokens(tokens_of(name, photo, backbone, arguments.cache), backbone.defaults.centre)
        for name, photo in photos.items()
    ]
    _compare_bipartitions(tokens, backbone.defaults.tau)
    _compare_one_cut(tokens[: arguments.timed], backbone.defaults.tau)
    _compare_three_masks(tokens[:1], backbone.defaults.tau)


def _compare_bipartitions(tokens: list[np.ndarray], tau: float) -> None:
    ious, steps, dense = [], [], 0
    for grid in tokens:
        graph = _graph(grid, tau)
        found = second_eigenvector(graph)
        expected, _, _ = plain_vector(graph.dense())
        ious.append(_iou_up_to_complement(found.vector > found.vector.mean(), expected > expected.mean()))
        steps.append(found.steps)
        dense += found.solver == "dense"
    text = f"{len(ious)} photos: bipartition IoU least {min(ious):.5f}, median {median(ious):.5f}"
    print(f"{text} (bar >= {IOU_BAR}: {verdict(min(ious) >= IOU_BAR)})")
    print(f"steps: median {median(steps):.0f}, most {max(steps)}; fell back to the dense solver: {dense}")


def _compare_one_cut(tokens: list[np.ndarray], tau: float) -> None:
    for_dense, for_ours = [], []
    for grid in tokens:
        graph = _graph(grid, tau)
        weights = graph.dense()
        _time(lambda w=weights: plain_vector(w), lambda g=graph: second_eigenvector(g), for_dense, for_ours)
    _report("one cut, graph given", for_dense, for_ours, SPEED_BAR)


def _compare_three_masks(tokens: list[np.ndarray], tau: float) -> None:
    for_dense, for_ours = [], []
    for grid in tokens:
        _time(lambda t=grid: plain_maskcut(t, PAPER, tau), lambda t=grid: maskcut(t, PAPER, tau), for_dense, for_ours)
    _report("three masks of one photo, graphs included", for_dense, for_ours, SPEED_BAR)


def _time(
    dense: Callable[[], object], ours: Callable[[], object], for_dense: list[float], for_ours: list[float]
) -> None:
    ours()
    times = alternate(dense, ours, rounds=ROUNDS)
    for_dense += times[0]
    for_ours += times[1]


def _report(what: str, for_dense: list[float], for_ours: list[float], bar: float) -> None:
    ratio = median_ratio(for_dense, for_ours)
    times = f"dense {1000 * median(for_dense):.0f} ms, ours {1000 * median(for_ours):.1f} ms"
    print(f"{what}: {times}, ratio {ratio:.0f} (bar >= {bar}: {verdict(ratio >= bar)})")


def _graph(tokens: np.ndarray, tau: float) -> BinaryAffinity:
    return BinaryAffinity.from_tokens(tokens.reshape(-1, tokens.shape[2]), tau, PAPER.eps)


def _iou_up_to_complement(first: np.ndarray, second: np.ndarray) -> float:
    return max(np.count_nonzero(first & s) / np.count_nonzero(first | s) for s in (second, ~second))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--photos", type=int, default=32, help="photos whose bipartitions are compared")
    parser.add_argument("--timed", type=int, default=3, help="photos whose single cut is timed, three rounds each")
    parser.add_argument("--cache", type=Path, help="folder in which tokens are kept between runs")
    return parser


if __name__ == "__main__":
    main()
