"""The stages of a shard that make label maps: from tags, by repair with masks, and by a trained network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from models.backbone import best_device
from ops.fanout import Fanout
from ops.phases import Stopwatch
from ops.sepl.class_settings import CamSettings, ClassSettings
from ops.sepl.pool import Heat
from ops.sepl.relabel import UnfitLabelMap, relabel
from ops.sepl.settings import SeplSettings
from ops.settings import LimitSettings
from ops.stage_workers import Made, read_image
from ops.stages import Provenance, Say, StageReport, run_stage
from stores.annotations import BadAnnotations
from stores.home import Home
from stores.label_map_store import LabelledImage, LabelShardReader, LabelShardWriter, open_labels
from stores.label_maps import BadLabelMap
from stores.location import Location
from stores.mask_files import MaskFiles, open_mask_files
from stores.mask_store import MaskShardReader, open_masks
from stores.masks import MaskSet
from stores.shards import ShardSource
from stores.versions import version_of

if TYPE_CHECKING:
    from models.image_classifier import ImageClassifier
    from models.semantic import SemanticModel

CAM_LAYERS, CAM_COUNTS = ("labels", "cam", "heat", "strongest"), ("empty",)
LAYER_OF = {"refined": "labels", "activations": "cam"}
SEPL_LAYERS, SEPL_COUNTS = ("labels",), ("masks", "chosen", "bare", "vanished")
PREDICTED_LAYERS: tuple[str, ...] = ("labels",)


def cam_provenance(
    code_version: str, manifest: str, tags: str, classifier: str, settings: ClassSettings, forced: str | None
) -> Provenance:
    """What decides the pseudo-labels of a shard."""
    return {
        "asset": "cam_labels",
        "code": code_version,
        "inputs": {"shard_manifest": manifest, "image_tags": tags, "image_classifier": classifier},
        "settings": settings.model_dump(mode="json", include={"cams"}),
        "forced": forced,
    }


def cam_shard(
    home: Home,
    provenance: Provenance,
    source: ShardSource,
    tags: Mapping[str, tuple[int, ...]],
    classifier: Location,
    settings: ClassSettings,
    pool: Fanout,
    log: Say | None = None,
) -> StageReport:
    """Pseudo-labels of every tagged image of a shard; `tags` are label numbers by key."""
    writer = LabelShardWriter(
        home.versions_of("cam_labels", source.shard), version_of(provenance), tags, CAM_LAYERS, CAM_COUNTS
    )
    worker = CamWorker(source, dict(tags), classifier, settings.cams, settings.limits)
    return run_stage(writer, provenance, worker, pool, f"class activations of {source.shard}", log)


def sepl_provenance(
    home: Home, code_version: str, shard: str, cams: str, settings: ClassSettings, forced: str | None
) -> Provenance:
    """What decides the repaired labels of a shard.

    Raises:
        NoVersion: the mask asset that the settings name has no masks of the shard.
    """
    inputs = {"cam_labels": cams}
    if not is_mask_file(settings.masks):
        inputs[settings.masks] = home.versions_of(settings.masks, shard).readable()
    return {
        "asset": "sepl_labels",
        "code": code_version,
        "inputs": inputs,
        "settings": settings.model_dump(mode="json", include={"sepl", "masks", "most_masks", "repaired"}),
        "forced": forced,
    }


def sepl_shard(
    home: Home,
    provenance: Provenance,
    shard: str,
    classes: int,
    settings: ClassSettings,
    pool: Fanout,
    log: Say | None = None,
) -> StageReport:
    """Repaired labels of every image of a shard that has pseudo-labels; one without masks passes through.

    Args:
        classes: labels, the background included.

    Raises:
        BadAnnotations, FileNotFoundError: the mask file that the settings name cannot be read.
    """
    cams = open_labels(home, "cam_labels", shard, provenance["inputs"]["cam_labels"])
    versions = home.versions_of("sepl_labels", shard)
    writer = LabelShardWriter(versions, version_of(provenance), cams.keys, SEPL_LAYERS, SEPL_COUNTS)
    masks = masks_of(home, shard, settings.masks, provenance["inputs"].get(settings.masks))
    worker = SeplWorker(cams, masks, settings.sepl, classes, settings.most_masks, LAYER_OF[settings.repaired])
    return run_stage(writer, provenance, worker, pool, f"class masks of {shard}", log)


def prediction_provenance(
    code_version: str, manifest: str, model: str, settings: ClassSettings, forced: str | None
) -> Provenance:
    """What decides the segmentation network's label maps of a shard."""
    return {
        "asset": "semantic_labels",
        "code": code_version,
        "inputs": {"shard_manifest": manifest, "semantic_model": model},
        "settings": {"size": settings.semantic.size},
        "forced": forced,
    }


def predict_labels(
    home: Home,
    provenance: Provenance,
    source: ShardSource,
    keys: list[str],
    model: Location,
    settings: ClassSettings,
    pool: Fanout,
    log: Say | None = None,
) -> StageReport:
    """What the segmentation network says of every image of a shard."""
    versions = home.versions_of("semantic_labels", source.shard)
    writer = LabelShardWriter(versions, version_of(provenance), keys, PREDICTED_LAYERS)
    worker = SemanticWorker(source, model, settings.semantic.size, settings.limits)
    return run_stage(writer, provenance, worker, pool, f"semantic labels of {source.shard}", log)


@dataclass(frozen=True)
class CamWorker:
    """Makes a worker that turns the key of an image into its pseudo-labels."""

    source: ShardSource
    tags: dict[str, tuple[int, ...]]
    classifier: Location
    settings: CamSettings
    limits: LimitSettings

    def __call__(self) -> Callable[[str], Made]:
        from ops.sepl.pseudo_labels import pseudo_labels

        model = _classifier(self.classifier, best_device())
        reader = self.source.open()

        def worker(key: str) -> Made:
            watch = Stopwatch()
            with watch.phase("read"):
                image = read_image(reader, key, self.limits)
            with watch.phase("activations"):
                made = pseudo_labels(model, image, self.tags[key], self.settings)
            return Made(LabelledImage(made.layers(), {"empty": len(made.empty)}), watch.seconds)

        return worker


@dataclass(frozen=True)
class ShardMasks:
    """Masks of a shard's images by key: those of an asset, or of files that others made."""

    stored: MaskShardReader | None = None
    files: MaskFiles | None = None

    def of(self, key: str, size: tuple[int, int], most: int | None = None) -> MaskSet:
        """Masks of an image of (H, W) `size`, the best `most`; none where there are none for it.

        Raises:
            BadLabelMap, BadAnnotations: of files.
        """
        if self.stored is not None:
            masks = self.stored[key] if key in self.stored else MaskSet.empty(size)
        else:
            name = PurePosixPath(key).stem
            known = self.files is not None and name in self.files
            masks = self.files.read(name, size) if known and self.files else MaskSet.empty(size)
        if most is None or len(masks) <= most:
            return masks
        return masks.take(np.argsort(-masks.score, kind="stable")[:most])


@dataclass(frozen=True)
class SeplWorker:
    """Makes a worker that turns the key of an image into its repaired labels; `layer` of `cams` is what it repairs."""

    cams: LabelShardReader
    masks: ShardMasks
    settings: SeplSettings
    classes: int
    most_masks: int | None
    layer: str = "labels"

    def __call__(self) -> Callable[[str], Made]:
        def worker(key: str) -> Made:
            watch = Stopwatch()
            with watch.phase("read"):
                labels = self.cams.layer(key, self.layer)
            try:
                with watch.phase("read"):
                    masks = self.masks.of(key, labels.shape, self.most_masks)
                with watch.phase("sepl"):
                    pooled = self.settings.rule == "pool" and self.layer == LAYER_OF["activations"]
                    heat = heat_of(self.cams, key) if pooled else None
                    done = relabel(labels, masks, self.classes, self.settings, heat)
            except (UnfitLabelMap, BadLabelMap) as error:
                raise BadAnnotations(str(error)) from error
            numbers = (len(masks), done.chosen, len(done.bare), len(done.vanished))
            counts = dict(zip(SEPL_COUNTS, numbers, strict=True))
            return Made(LabelledImage({"labels": done.labels}, counts), watch.seconds)

        return worker


@dataclass(frozen=True)
class SemanticWorker:
    """Makes a worker that turns the key of an image into the labels that a segmentation network gives it."""

    source: ShardSource
    model: Location
    size: int
    limits: LimitSettings

    def __call__(self) -> Callable[[str], Made]:
        from ops.sepl.semantic_stage import predicted_labels

        model = _semantic(self.model, best_device())
        reader = self.source.open()

        def worker(key: str) -> Made:
            watch = Stopwatch()
            with watch.phase("read"):
                image = read_image(reader, key, self.limits)
            with watch.phase("model"):
                labels = predicted_labels(model, image, self.size)
            return Made(LabelledImage({"labels": labels}), watch.seconds)

        return worker


def heat_of(cams: LabelShardReader, key: str) -> Heat:
    """What the classifier saw of an image."""
    return Heat(cams.layer(key, "strongest"), cams.layer(key, "heat"))


def is_mask_file(masks: str) -> bool:
    """Whether the setting names a file or folder rather than an asset."""
    return "/" in masks or masks.endswith(".json")


def masks_of(home: Home, shard: str, masks: str, version: str | None = None) -> ShardMasks:
    """The masks that the setting names.

    Raises:
        NoVersion: the asset has none of the shard.
        BadAnnotations, FileNotFoundError: of files.
    """
    if is_mask_file(masks):
        return ShardMasks(files=open_mask_files(Location(masks)))
    return ShardMasks(stored=open_masks(home, masks, shard, version))


@lru_cache(maxsize=1)
def _classifier(place: Location, device: str) -> ImageClassifier:
    from models.image_classifier import load_classifier
    from ops.model_files import local_copy

    with local_copy(place) as path:
        return load_classifier(path, device)


@lru_cache(maxsize=1)
def _semantic(place: Location, device: str) -> SemanticModel:
    from models.semantic import load_semantic
    from ops.model_files import local_copy

    with local_copy(place) as path:
        return load_semantic(path, device)
