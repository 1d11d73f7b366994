"""Mean IoU of the label maps of every stage against the truth, over all images at once (spec 9.5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np

from ops.confusion import Confusion, MismatchedLabels, image_iou
from ops.sepl.label_stages import ShardMasks, heat_of, masks_of
from ops.sepl.pool import Heat
from ops.sepl.relabel import relabel
from ops.sepl.settings import SEPL_PRESETS
from stores.coco import ImageRecord, read_coco
from stores.home import Home
from stores.label_map_store import LabelShardReader, open_labels
from stores.label_maps import IGNORE, read_label_map
from stores.location import Location
from stores.masks import MaskSet
from stores.tags import COCO_NAMES_OF_VOC
from stores.versions import NoVersion

BEFORE, REFINED, SEMANTIC = "activations", "refined", "segmentation"
POOLED = "pool of activations"
SCORE_HEAD = ["labels", "mIoU, %", "against refined"]
OTHER_STAGES = {"as published": "sepl_labels", SEMANTIC: "semantic_labels"}
Truth = Mapping[str, Callable[[], np.ndarray]]


@dataclass
class ImageScore:
    """One image: its IoU before and after the repair, to find the best and the worst by.

    Attributes:
        change: IoU of `shown` less that of the refined labels, means over the classes in the image.
    """

    shard: str
    key: str
    change: float
    before: float
    after: float


@dataclass
class ClassEvaluation:
    """All stages by name, and the images ranked by what the repair changed.

    Attributes:
        confusions: by stage; repairs are called by preset and masks.
        shown: the repair by which images are ranked.
        missing: photos without a true label map.
        versions: by stage and shard, what was scored; a file of masks is its own version.
    """

    labels: tuple[str, ...]
    confusions: dict[str, Confusion] = field(default_factory=dict)
    images: list[ImageScore] = field(default_factory=list)
    shown: str = ""
    missing: list[str] = field(default_factory=list)
    versions: dict[str, dict[str, str]] = field(default_factory=dict)

    def mean_ious(self) -> dict[str, float]:
        """mIoU in [0, 1] by stage."""
        return {name: confusion.mean_iou() for name, confusion in self.confusions.items()}


def evaluate_shards(
    home: Home,
    shards: Sequence[str],
    truth: Truth,
    labels: tuple[str, ...],
    masks: Sequence[str],
    most_masks: int | None = None,
    shown: str = "paper",
) -> ClassEvaluation:
    """Score pseudo-labels and their repair by every preset with every source of masks.

    The preset `pool` is scored on the activations too, since it goes by how strong they are. What `sepl_labels` and the
    segmentation network say is scored where it is there for all shards.

    Args:
        truth: how to read the true labels, by file name without its ending.
        labels: names, the background first.
        masks: assets or files.
        most_masks: the best so many of an image.
        shown: preset by which images are ranked, with the first source of masks.

    Raises:
        NoVersion: a shard has no pseudo-labels, or no masks of that asset.
        MismatchedLabels: a true label map does not fit its photo or the labels, or there is none at all.
    """
    result = ClassEvaluation(labels, shown=_repair(shown, masks[0]))
    others = _in_all_shards(home, shards)
    for shard in shards:
        cams = open_labels(home, "cam_labels", shard)
        sources = {name: masks_of(home, shard, name) for name in masks}
        for key in cams.keys:
            name = PurePosixPath(key).stem
            if name not in truth:
                result.missing.append(key)
                continue
            true, layers = truth[name](), made_from_tags(cams, sources, key, len(labels), most_masks)
            layers |= {stage: own[shard].layer(key, "labels") for stage, own in others.items() if key in own[shard]}
            _add(result, shard, key, true, layers)
        versions = dict.fromkeys((BEFORE, REFINED), cams.version)
        versions |= {
            _repair(preset, name): own.stored.version if own.stored else name
            for name, own in sources.items()
            for preset in (*SEPL_PRESETS, POOLED)
        }
        versions |= {stage: own[shard].version for stage, own in others.items()}
        for stage, version in versions.items():
            result.versions.setdefault(stage, {})[shard] = version
    if not result.images:
        raise MismatchedLabels("no photo has a true label map: are the names the same?")
    return result


def made_from_tags(
    cams: LabelShardReader, sources: Mapping[str, ShardMasks], key: str, classes: int, most_masks: int | None
) -> dict[str, np.ndarray]:
    """Pseudo-labels of an image and their repair by every preset with every source of masks, (H, W) uint8 by name."""
    plain, refined, heat = cams.layer(key, "cam"), cams.layer(key, "labels"), heat_of(cams, key)
    layers = {BEFORE: plain, REFINED: refined}
    for source, reader in sources.items():
        masks = reader.of(key, refined.shape, most_masks)
        layers |= repairs(refined, masks, source, classes)
        layers[_repair(POOLED, source)] = relabel(plain, masks, classes, SEPL_PRESETS["pool"], heat).labels
    return layers


def repairs(
    labels: np.ndarray, masks: MaskSet, source: str, classes: int, heat: Heat | None = None
) -> dict[str, np.ndarray]:
    """A label map repaired by every preset, by its name and that of the masks; `heat` is what it was made of."""
    return {
        _repair(preset, source): relabel(labels, masks, classes, settings, heat).labels
        for preset, settings in SEPL_PRESETS.items()
    }


def short_name(stage: str) -> str:
    """A stage for tables: of a file of masks its name without the folders."""
    preset, comma, source = stage.partition(", ")
    return f"{preset}{comma}{PurePosixPath(source).name}"


def score_rows(scores: Mapping[str, float]) -> list[list[str]]:
    """A row of cells for each stage of `mean_ious()`: its name, mIoU in %, and what it gains on the refined labels."""
    refined = scores[REFINED]
    return [[stage, f"{100 * value:.2f}", f"{100 * (value - refined):+.2f}"] for stage, value in scores.items()]


def open_truth(place: Location, labels: tuple[str, ...]) -> Truth:
    """True label maps of a folder `NAME.png`, or painted from COCO annotations.

    Raises:
        MismatchedLabels: neither, or a COCO file without any of the classes.
    """
    if not place.name.endswith(".json"):
        return {
            PurePosixPath(child.name).stem: _MapFile(child) for child in place.iterdir() if child.name.endswith(".png")
        }
    numbers = _category_numbers(place, labels)
    return {
        PurePosixPath(record.file_name).stem: _Painted(record, masks, numbers) for record, masks in read_coco(place)
    }


def painted(record: ImageRecord, masks: MaskSet, numbers: Mapping[int, int]) -> np.ndarray:
    """Labels (H, W) uint8 of one image's annotations: small ones over large ones, crowds are 255, others background.

    Args:
        numbers: label number by category id.
    """
    labels = np.zeros(masks.size, np.uint8)
    known = np.array([numbers.get(int(category), 0) for category in record.categories], np.uint8)
    order = np.lexsort((-masks.areas(), ~record.crowd))
    for index in order:
        if known[index]:
            labels[masks.dense(int(index))] = IGNORE if record.crowd[index] else known[index]
    return labels


@dataclass(frozen=True)
class _MapFile:
    place: Location

    def __call__(self) -> np.ndarray:
        return read_label_map(self.place)


@dataclass(frozen=True)
class _Painted:
    record: ImageRecord
    masks: MaskSet
    numbers: Mapping[int, int]

    def __call__(self) -> np.ndarray:
        return painted(self.record, self.masks, self.numbers)


def _category_numbers(place: Location, labels: tuple[str, ...]) -> dict[int, int]:
    import orjson

    number = {name: index for index, name in enumerate(labels)}
    categories = orjson.loads(place.read_bytes()).get("categories", [])
    names = {each["id"]: each["name"] for each in categories}
    labels_of = {key: number.get(name, number.get(COCO_NAMES_OF_VOC.get(name, ""), 0)) for key, name in names.items()}
    known = {category: label for category, label in labels_of.items() if label}
    if not known:
        raise MismatchedLabels(f"{place} has none of the classes {', '.join(labels[1:6])}, …")
    return known


def optional_labels(home: Home, asset: str, shard: str) -> LabelShardReader | None:
    """Label maps of a shard; None where there are none."""
    try:
        return open_labels(home, asset, shard)
    except NoVersion:
        return None


def _in_all_shards(home: Home, shards: Sequence[str]) -> dict[str, dict[str, LabelShardReader]]:
    """Label maps by stage and shard, of the stages that every shard has."""
    found = {stage: {s: optional_labels(home, asset, s) for s in shards} for stage, asset in OTHER_STAGES.items()}
    kept = {stage: {s: reader for s, reader in own.items() if reader is not None} for stage, own in found.items()}
    return {stage: own for stage, own in kept.items() if len(own) == len(shards)}


def _repair(preset: str, source: str) -> str:
    return f"{preset}, {source}"


def _add(result: ClassEvaluation, shard: str, key: str, truth: np.ndarray, layers: Mapping[str, np.ndarray]) -> None:
    count = len(result.labels)
    for name, labels in layers.items():
        try:
            result.confusions.setdefault(name, Confusion(count)).add(truth, labels)
        except MismatchedLabels as error:
            raise MismatchedLabels(f"{key} of {shard}, {name}: {error}") from error
    before, after = (image_iou(truth, layers[name], count) for name in (REFINED, result.shown))
    result.images.append(ImageScore(shard, key, after - before, before, after))
