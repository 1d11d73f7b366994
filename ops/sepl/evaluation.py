"""Mean IoU of the label maps of every stage against the truth, over all images at once (spec 9.5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np

from ops.confusion import Confusion, MismatchedLabels, image_iou
from ops.sepl.label_stages import ShardMasks, masks_of
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
    """

    labels: tuple[str, ...]
    confusions: dict[str, Confusion] = field(default_factory=dict)
    images: list[ImageScore] = field(default_factory=list)
    shown: str = ""
    missing: list[str] = field(default_factory=list)

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
    """Score pseudo-labels, their repair by every preset with every source of masks, and the network where it is there.

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
    result = ClassEvaluation(labels, shown=f"{shown}, {masks[0]}")
    for shard in shards:
        cams, semantic = open_labels(home, "cam_labels", shard), _optional(home, "semantic_labels", shard)
        sources = {name: masks_of(home, shard, name) for name in masks}
        for key in cams.keys:
            name = PurePosixPath(key).stem
            if name not in truth:
                result.missing.append(key)
                continue
            true, before = truth[name](), cams.layer(key, "labels")
            layers = {BEFORE: cams.layer(key, "cam"), REFINED: before}
            layers |= dict(repairs(before, sources, key, len(labels), most_masks))
            if semantic is not None and key in semantic:
                layers[SEMANTIC] = semantic.layer(key, "labels")
            _add(result, shard, key, true, layers)
    if not result.images:
        raise MismatchedLabels("no photo has a true label map: are the names the same?")
    return result


def repairs(
    labels: np.ndarray, sources: Mapping[str, ShardMasks], key: str, classes: int, most_masks: int | None
) -> Iterator[tuple[str, np.ndarray]]:
    """A label map repaired by every preset with every source of masks, by name."""
    for source, reader in sources.items():
        own = reader.of(key, labels.shape, most_masks)
        for preset, settings in SEPL_PRESETS.items():
            yield f"{preset}, {source}", relabel(labels, own, classes, settings).labels


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


def _optional(home: Home, asset: str, shard: str) -> LabelShardReader | None:
    try:
        return open_labels(home, asset, shard)
    except NoVersion:
        return None


def _add(result: ClassEvaluation, shard: str, key: str, truth: np.ndarray, layers: Mapping[str, np.ndarray]) -> None:
    count = len(result.labels)
    for name, labels in layers.items():
        try:
            result.confusions.setdefault(name, Confusion(count)).add(truth, labels)
        except MismatchedLabels as error:
            raise MismatchedLabels(f"{key} of {shard}, {name}: {error}") from error
    before, after = (image_iou(truth, layers[name], count) for name in (REFINED, result.shown))
    result.images.append(ImageScore(shard, key, after - before, before, after))
