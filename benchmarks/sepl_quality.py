"""Mean IoU of every stage from tags to class masks, as a home has it.

python -m benchmarks.sepl_quality HOME TRUTH --shards SHARD [--masks hierarchical_masks ncut_masks FILE]

TRUTH: COCO annotations, or a folder of label maps. Each preset repairs the labels from activations alone and the
refined ones. Changes carry a standard error: bootstrap over photos, the same photos before and after.
COCO mapped to the classes of VOC is not a VOC result.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np

from benchmarks.machine import describe_machine
from ops.confusion import Confusion
from ops.sepl.evaluation import BEFORE, OTHER_STAGES, REFINED, Truth, open_truth, optional_labels, repairs
from ops.sepl.label_stages import heat_of, masks_of
from ops.sepl.settings import SEPL_PRESETS
from ops.sepl.tag_stage import open_tags
from stores.home import Home
from stores.label_map_store import open_labels
from stores.location import Location

BAR = 3.0
RESAMPLES = 1000
BASES = {BEFORE: "cam", REFINED: "labels"}
Stage = tuple[str, str]
ByPhoto = dict[Stage, list[Confusion]]


def confusions(
    home: Home, shard: str, truth: Truth, classes: int, masks: Sequence[str], most_masks: int | None
) -> ByPhoto:
    """By base and stage, one confusion matrix for each photo that has pseudo-labels and a true label map."""
    found: ByPhoto = {}
    cams = open_labels(home, "cam_labels", shard)
    sources = {name: masks_of(home, shard, name) for name in masks}
    others = {stage: optional_labels(home, asset, shard) for stage, asset in OTHER_STAGES.items()}
    for key in cams.keys:
        if (name := PurePosixPath(key).stem) not in truth:
            continue
        predicted = {
            (REFINED, stage): reader.layer(key, "labels") for stage, reader in others.items() if reader is not None
        }
        own = {
            source: reader.of(key, cams.layer(key, "labels").shape, most_masks) for source, reader in sources.items()
        }
        for base, layer in BASES.items():
            before = cams.layer(key, layer)
            predicted[base, ""] = before
            heat = heat_of(cams, key) if base == BEFORE else None
            for source, each in own.items():
                predicted |= {(base, s): made for s, made in repairs(before, each, source, classes, heat).items()}
        true = truth[name]()
        for stage, labels in predicted.items():
            confusion = Confusion(classes)
            confusion.add(true, labels)
            found.setdefault(stage, []).append(confusion)
    return found


def mean_ious(photos: Sequence[Confusion], weights: np.ndarray) -> np.ndarray:
    """mIoU in % of each draw, (draws,).

    Args:
        weights: (draws, photos), how often each photo counts.
    """
    counts = np.stack([each.counts for each in photos]).reshape(len(photos), -1)
    labels = photos[0].labels
    drawn = (weights @ counts).reshape(len(weights), labels, labels)
    both = np.diagonal(drawn, axis1=1, axis2=2)
    either = drawn.sum(axis=1) + drawn.sum(axis=2) + weights @ np.stack([each.missed for each in photos]) - both
    return 100 * np.nanmean(np.where(either > 0, both / np.maximum(either, 1), np.nan), axis=1)


def row(found: ByPhoto, stage: Stage) -> str:
    """mIoU, and its change against the labels that the stage began with."""
    photos = len(found[stage])
    draws = np.random.default_rng(0).multinomial(photos, np.full(photos, 1 / photos), RESAMPLES)
    weights = np.concatenate([np.ones((1, photos), np.int64), draws])
    own, before = (mean_ious(found[each], weights) for each in (stage, (stage[0], "")))
    change = own - before
    return f"{own[0]:.2f} ({change[0]:+.2f} ± {change[1:].std():.2f})"


def print_table(found: ByPhoto, masks: Sequence[str]) -> None:
    print(f"| mIoU, % | {' | '.join(BASES)} |")
    print(f"|---{'|---' * len(BASES)}|")
    print(f"| before SEPL | {' | '.join(row(found, (base, '')).partition(' ')[0] for base in BASES)} |")
    for source in masks:
        for preset in SEPL_PRESETS:
            cells = [row(found, (base, f"{preset}, {source}")) for base in BASES]
            print(f"| `{preset}`, {PurePosixPath(source).name} | {' | '.join(cells)} |")
    for stage in OTHER_STAGES:
        if (REFINED, stage) in found:
            print(f"| {stage} | | {row(found, (REFINED, stage))} |")


def merged(parts: Sequence[ByPhoto]) -> ByPhoto:
    """Photos of several shards; a stage that one of them lacks is left out."""
    shared = set.intersection(*(set(part) for part in parts))
    return {stage: [each for part in parts for each in part[stage]] for stage in parts[0] if stage in shared}


def best_gain(found: Mapping[Stage, list[Confusion]]) -> tuple[float, Stage]:
    """The largest gain of a repair over the labels that it began with, in points of mIoU, and which it is."""
    score = {stage: float(mean_ious(own, np.ones((1, len(own)), np.int64))[0]) for stage, own in found.items()}
    gains = {stage: value - score[stage[0], ""] for stage, value in score.items() if ", " in stage[1]}
    best = max(gains, key=lambda stage: gains[stage])
    return gains[best], best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home")
    parser.add_argument("truth")
    parser.add_argument("--shards", nargs="+", required=True)
    parser.add_argument("--masks", nargs="+", default=["hierarchical_masks", "ncut_masks"], help="assets or files")
    parser.add_argument("--most-masks", type=int, help="the best so many of a photo")
    arguments = parser.parse_args()
    home = Home(arguments.home)
    labels = open_tags(home).labels
    truth = open_truth(Location(arguments.truth), labels)
    parts = [
        confusions(home, shard, truth, len(labels), arguments.masks, arguments.most_masks) for shard in arguments.shards
    ]
    found = merged(parts)
    print(describe_machine())
    print(f"{len(found[REFINED, ''])} photos, {len(labels) - 1} classes, one confusion matrix, background included")
    print_table(found, arguments.masks)
    gain, (base, stage) = best_gain(found)
    print(f"largest gain: {gain:+.2f} points, {stage} on {base} (bar {BAR:+.1f}, for what the training photos chose)")


if __name__ == "__main__":
    main()
