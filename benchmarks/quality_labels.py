"""Average recall of both recipes, each fix and each lead switched off in turn, as the papers have it, cheap rivals.

python -m benchmarks.quality_labels --data ../shared/data [--images 20] [--set coco_val] [--only NAME] [--cache FOLDER]

Bars: AR@1000 of the papers' algorithm without (1.7, 3.3) and with the merge on the whole image (3.7, 11.8) on COCO and
BSDS500. With a cache folder a run that was cut off goes on; empty it when the code of ops/ has changed.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from skimage.segmentation import felzenszwalb, slic

from benchmarks.machine import describe_machine
from benchmarks.pixel_tree_quality import Score, Variant, ablations, label_set, recipe_variant, score
from benchmarks.quality_rivals import felzenszwalb_three_scales, superpixels_and_boxes
from benchmarks.quality_sets import load_set
from models.backbones import load_backbone
from ops.ground_truth import GroundTruth
from ops.metrics import IOU_THRESHOLDS, best_overlaps
from stores.masks import MaskSet

SETS = ("coco_val", "bsds500_val")
PAPERS_THETAS = "conquer.thetas=[0.6, 0.5, 0.4, 0.3, 0.2, 0.1]"
SWITCHES = {
    "crops lose their last row": ["conquer.crop_end=exclusive"],
    "crops as BGR": ["conquer.channel_order=bgr"],
    "sums in float16": ["conquer.accumulate=float16"],
    "the papers' thetas": [PAPERS_THETAS],
    "no whole image": ["conquer.whole_image=false"],
    "no CRF on parts": ["conquer.refine=false"],
    "smooth upsampling": ["conquer.upsample=smooth"],
    "smooth, no CRF on parts": ["conquer.upsample=smooth", "conquer.refine=false"],
    "each part by itself, no CRF": ["conquer.upsample=each", "conquer.refine=false"],
    "NMS in a window of 5": ["conquer.nms_window=5"],
    "NMS in each region": ["conquer.nms_scope=region"],
    "no CRF on objects": ["divide.refine=false"],
    "objects painted, not removed": ["divide.painted=zero"],
    "rejection forgets": ["divide.overlap_with=previous", "divide.after_rejection=continue"],
    "all components": ["divide.components=all"],
    "10 objects at most": ["divide.max_masks=10"],
}
FELZENSZWALB_SCALES = (100, 300, 900)
SLIC_SEGMENTS = 200


@dataclass(frozen=True)
class Row:
    """A score, and the recall in % when one mask may answer for several human masks."""

    score: Score
    any_match: float

    def __str__(self) -> str:
        return f"{self.score} / {self.any_match:5.1f}"


def variants() -> list[Variant]:
    return [
        recipe_variant("recipe paper with its fixes", ["recipe=paper"]),
        *(recipe_variant(f"  {name}", ["recipe=paper", *changes]) for name, changes in SWITCHES.items()),
        recipe_variant("papers' text", [PAPERS_THETAS, "conquer.whole_image=false"], "paper"),
        recipe_variant("papers' text and whole image", [PAPERS_THETAS, "conquer.whole_image=true"], "paper"),
        recipe_variant("papers' released code", [PAPERS_THETAS], "released"),
        recipe_variant("recipe pixel_tree", ["recipe=pixel_tree"]),
        *(replace(variant, name=f"  pixel_tree, {variant.name}") for variant in ablations()),
        *(_felzenszwalb(scale) for scale in FELZENSZWALB_SCALES),
        Variant("Felzenszwalb, three scales", lambda image, *_: felzenszwalb_three_scales(image), "1"),
        Variant("Felzenszwalb + SLIC + boxes", lambda image, *_: superpixels_and_boxes(image), "1"),
        Variant("SLIC", lambda image, *_: _regions(slic(image, SLIC_SEGMENTS, start_label=0)), f"{SLIC_SEGMENTS}"),
    ]


def any_match_recall(masks: Mapping[int, MaskSet], truth: GroundTruth) -> float:
    """Recall in %, mean over the IoU thresholds of COCO, when a mask may answer for any number of human masks.

    BSDS500's annotators outline the same thing several times; one mask for it is all that one can ask for.
    """
    grouped = truth.masks_by_image()
    overlaps = [
        best_overlaps(masks[image], [human.rle for human in grouped[image] if not human.crowd]) for image in masks
    ]
    return 100 * float(np.mean(np.concatenate(overlaps)[:, None] >= IOU_THRESHOLDS))


def _felzenszwalb(scale: int) -> Variant:
    def label(image: np.ndarray, *_: object) -> MaskSet:
        return _regions(felzenszwalb(image, scale=scale, sigma=0.8, min_size=100))

    return Variant(f"Felzenszwalb, scale {scale}", label, "1")


def _regions(labels: np.ndarray) -> MaskSet:
    """Regions of an (H, W) label map, larger ones first."""
    masks = MaskSet.from_dense((labels == label for label in np.unique(labels)), (labels.shape[0], labels.shape[1]))
    return masks.with_columns(score=masks.areas() / labels.size)


def run(chosen: list[Variant], data: Path, sets: list[str], images: int | None, cache: Path) -> None:
    print(describe_machine())
    print("AR@1000 / AR@100 in % ± bootstrap standard error / masks | best overlap, from 400 px / AR@1000, any match")
    print("bars of `paper`: coco 1.7 and with the whole image 3.7; bsds500 3.3 and 11.8")
    backbone = load_backbone()
    for name in sets:
        truth = load_set(name, data, cache, images)
        print(f"\n{name}: {len(truth.images)} images, {len(truth.masks)} human masks", flush=True)
        for variant, masks in zip(chosen, label_set(chosen, truth, backbone, cache / name), strict=True):
            print(f"{variant.name:42} {Row(score(masks, truth), any_match_recall(masks, truth))}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--images", type=int, help="only so many images of each set, spread evenly")
    parser.add_argument("--set", action="append", dest="sets", help="coco_val and bsds500_val if none is given")
    parser.add_argument("--only", action="append", help="only rows of these names")
    parser.add_argument("--cache", type=Path, help="keep features and masks here")
    arguments = parser.parse_args()
    chosen = [v for v in variants() if not arguments.only or v.name.strip() in arguments.only]
    go = partial(run, chosen, arguments.data, arguments.sets or list(SETS), arguments.images)
    if arguments.cache:
        go(arguments.cache)
        return
    with TemporaryDirectory() as folder:
        go(Path(folder))


if __name__ == "__main__":
    main()
