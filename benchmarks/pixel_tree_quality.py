"""Average recall of label recipes on photos with human masks: `pixel_tree`, each lead switched off, cheap rivals.

python -m benchmarks.pixel_tree_quality --data ../shared/data --cache FOLDER [--set coco_val] [--images 20]

Masks are kept in the cache folder, one file an image and variant, so that a run that was cut off goes on.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.machine import describe_machine
from benchmarks.quality_cache import StoredBackbone, stored_masks
from benchmarks.quality_rivals import felzenszwalb_three_scales, superpixels_and_boxes
from benchmarks.quality_sets import SETS, load_set, read_photo
from models.backbone import Backbone
from models.backbones import load_backbone
from ops import pixel_tree
from ops.ground_truth import GroundTruth
from ops.metrics import IOU_THRESHOLDS, best_overlaps, recall_by_image
from ops.presets import load_settings
from ops.recipes import divide, hierarchy
from ops.settings import LabelSettings
from stores.masks import MaskSet

LOOSE_AREA = 400
Labeller = Callable[[np.ndarray, Backbone, Path], MaskSet]
_OFFLINE = ("backbone.name=augnet_resnet50", "divide.tau=null", "conquer.thetas=null")


@dataclass(frozen=True)
class Variant:
    """One row of the table: what it is called, how it labels, and all that its masks depend on."""

    name: str
    label: Labeller
    identity: str

    def folder(self) -> str:
        return _digest(f"{self.name}\n{self.identity}")


@dataclass(frozen=True)
class Score:
    """AR@1000 and AR@100 in % with bootstrap standard errors over images, and masks an image.

    `loose` is the same two by best overlap: one mask may answer for several human masks, as the regions of several
    annotators need it, and human masks below `LOOSE_AREA` pixels do not count.
    """

    recall: tuple[float, float]
    error: tuple[float, float]
    masks: float
    loose: tuple[float, float]

    def __str__(self) -> str:
        pairs = zip(self.recall, self.error, strict=True)
        strict = " / ".join(f"{recall:5.1f} ± {error:.1f}" for recall, error in pairs) + f" / {self.masks:4.0f}"
        return f"{strict}   | {self.loose[0]:5.1f} / {self.loose[1]:5.1f}"


def recipe_variant(name: str, overrides: Iterable[str] = (), preset: str = "default") -> Variant:
    """A recipe of the pipeline, with settings from a preset and overrides, on the offline backbone."""
    settings = load_settings(preset, overrides=[*_OFFLINE, *overrides])
    code = _code_digest() if settings.recipe == "pixel_tree" else ""
    return Variant(name, partial(_run_recipe, settings), settings.model_dump_json() + code)


def main_variants() -> list[Variant]:
    return [
        recipe_variant("pixel_tree"),
        recipe_variant("paper preset", preset="paper"),
        recipe_variant("paper recipe, whole image too", ["recipe=paper"]),
        Variant("Felzenszwalb, three scales", lambda image, *_: felzenszwalb_three_scales(image), "1"),
        Variant("Felzenszwalb + SLIC + boxes", lambda image, *_: superpixels_and_boxes(image), "1"),
    ]


def ablations() -> list[Variant]:
    """Each lead of `pixel_tree` switched off in turn."""
    changes = {
        "one tree": "trees=1",
        "no pairs, no triplets": "pairs=0 triplets=0",
        "no triplets": "triplets=0",
        "no objects": "objects=false",
        "boundaries by Sobel": "boundaries=sobel",
        "no deep features": "deep_features=false",
        "no growth": "growth=0",
        "growth, frame not background": "background=0",
        "ranked by size only": "ranked_by=[size]",
        "ranked without size": "ranked_by=[boundary,separation,compactness,growth]",
        "ranked without boundary": "ranked_by=[size,separation,compactness,growth]",
        "ranked without separation": "ranked_by=[size,boundary,compactness,growth]",
        "ranked without compactness": "ranked_by=[size,boundary,separation,growth]",
    }
    return [
        recipe_variant(name, [f"pixel_tree.{change}" for change in changed.split()])
        for name, changed in changes.items()
    ]


def label_set(variants: list[Variant], truth: GroundTruth, backbone: Backbone, cache: Path) -> list[dict[int, MaskSet]]:
    """Masks of every image by every variant; the backbone sees each image once for all of them."""
    stored = StoredBackbone(backbone, cache / "stages")
    found: list[dict[int, MaskSet]] = [{} for _ in variants]
    for image in truth.images:
        photo = read_photo(image)
        for variant, masks in zip(variants, found, strict=True):
            path = cache / variant.folder() / f"{image.path.stem}.npz"
            masks[image.image_id] = stored_masks(path, partial(variant.label, photo, stored, cache))
        stored.forget()
    return found


def score(masks: Mapping[int, MaskSet], truth: GroundTruth) -> Score:
    by_image = [recall_by_image(masks, truth, limit) for limit in (1000, 100)]
    return Score(
        recall=(100 * by_image[0].pooled(), 100 * by_image[1].pooled()),
        error=(100 * by_image[0].standard_error(), 100 * by_image[1].standard_error()),
        masks=float(np.mean([len(found) for found in masks.values()])),
        loose=(100 * loose_recall(masks, truth, 1000), 100 * loose_recall(masks, truth, 100)),
    )


def loose_recall(masks: Mapping[int, MaskSet], truth: GroundTruth, limit: int) -> float:
    """Share of (human mask, IoU threshold) that some of an image's `limit` best masks reaches, in [0, 1]."""
    reached = []
    for image_id, human_masks in truth.masks_by_image().items():
        wanted = [mask.rle for mask in human_masks if not mask.crowd and mask.area >= LOOSE_AREA]
        best = masks[image_id].take(np.argsort(-masks[image_id].score, kind="stable")[:limit])
        reached.append(best_overlaps(best, wanted)[:, None] >= IOU_THRESHOLDS)
    return float(np.concatenate(reached).mean())


def _run_recipe(settings: LabelSettings, image: np.ndarray, backbone: Backbone, folder: Path) -> MaskSet:
    parts = settings.divide.model_dump_json() + settings.crf.model_dump_json() + str(settings.backbone.size)
    pixels = hashlib.sha256(image.tobytes()).hexdigest()[:24]
    path = folder / "divide" / _digest(parts) / f"{pixels}.npz"
    objects = stored_masks(path, lambda: divide(image, backbone, settings))
    return hierarchy(image, objects, backbone, settings)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _code_digest() -> str:
    """Changes whenever the recipe's code does."""
    sources = sorted(Path(pixel_tree.__file__).parent.glob("*.py"))
    return _digest("".join(source.read_text() for source in sources))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--set", action="append", choices=SETS, dest="sets")
    parser.add_argument("--images", type=int, help="only so many images of each set, spread evenly")
    parser.add_argument("--only", action="append", help="only rows of these names")
    arguments = parser.parse_args()
    variants = [v for v in main_variants() + ablations() if not arguments.only or v.name in arguments.only]
    print(describe_machine())
    print("class-agnostic AR@1000 / AR@100 in % ± bootstrap standard error over images / masks an image")
    print(f"after the bar: the same by best overlap, human masks of at least {LOOSE_AREA} pixels")
    backbone = load_backbone()
    for name in arguments.sets or SETS[:3]:
        truth = load_set(name, arguments.data, arguments.cache, arguments.images)
        print(f"\n{name}: {len(truth.images)} images, {len(truth.masks)} human masks", flush=True)
        for variant, masks in zip(variants, label_set(variants, truth, backbone, arguments.cache / name), strict=True):
            print(f"{variant.name:32} {score(masks, truth)}", flush=True)


if __name__ == "__main__":
    main()
