"""The stages of a shard that need a trained model: what it predicts, and the labels of the next round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from models.backbone import best_device
from ops.fanout import Fanout
from ops.grouping.predict import grouped_masks
from ops.learning import LearningSettings
from ops.mask_tree import build_tree
from ops.model_files import load_model
from ops.nms import distinct
from ops.phases import Stopwatch
from ops.predict import Predictions, predict
from ops.self_training import merge_labels
from ops.settings import LimitSettings
from ops.stage_workers import Made, read_image
from ops.stages import Provenance, Say, StageReport, run_stage
from ops.training_settings import PredictionSettings, SelfTrainingSettings
from stores.home import Home
from stores.location import Location
from stores.mask_store import MaskShardReader, MaskShardWriter, open_masks
from stores.masks import SOURCES, MaskSet
from stores.shards import ShardSource
from stores.versions import version_of

if TYPE_CHECKING:
    from ops.model_files import MaskModel

MODEL_OF = {
    "round1_masks": "round1_model",
    "unsam_masks": "unsam_model",
    "unsam_plus_masks": "unsam_plus_model",
    "human_only_masks": "human_only_model",
    "union_masks": "union_model",
}
_SOURCE_OF = {"round1_masks": "round1", "unsam_masks": "round2"}
_OTHER_SOURCE = "plus"


def prediction_provenance(
    code_version: str, asset: str, manifest: str, model: str, settings: LearningSettings, forced: str | None
) -> Provenance:
    """What decides the masks that a model finds in a shard; `model` is the version of `MODEL_OF[asset]`."""
    return {
        "asset": asset,
        "code": code_version,
        "inputs": {"shard_manifest": manifest, MODEL_OF[asset]: model},
        "settings": settings.model_dump(mode="json", include={"prediction"}),
        "forced": forced,
    }


def learned_settings(home: Home, asset: str, model: str) -> LearningSettings:
    """How the version `model` of a model asset predicts by the settings of its training.

    Raises:
        NoVersion, IncompleteVersion: there is no such model.
    """
    return LearningSettings.model_validate({"prediction": home.versions_of(asset).provenance(model)["prediction"]})


def predict_shard(
    home: Home,
    asset: str,
    provenance: Provenance,
    source: ShardSource,
    keys: Sequence[str],
    model: Location,
    settings: LearningSettings,
    pool: Fanout,
    log: Say | None = None,
) -> StageReport:
    """The model's masks of every image of a shard, each image's as one tree."""
    writer = MaskShardWriter(home.versions_of(asset, source.shard), version_of(provenance), keys)
    worker = PredictionWorker(source, model, settings.prediction, settings.limits, _SOURCE_OF.get(asset, _OTHER_SOURCE))
    return run_stage(writer, provenance, worker, pool, f"{asset} of {source.shard}", log)


def round2_provenance(
    code_version: str, old: str, predictions: str, settings: LearningSettings, forced: str | None
) -> Provenance:
    """What decides the second round's labels of a shard."""
    return {
        "asset": "round2_labels",
        "code": code_version,
        "inputs": {"hierarchical_masks": old, "round1_masks": predictions},
        "settings": settings.model_dump(mode="json", include={"self_training"}),
        "forced": forced,
    }


def merge_shard(
    home: Home,
    provenance: Provenance,
    shard: str,
    old: MaskShardReader,
    predictions: MaskShardReader,
    settings: LearningSettings,
    pool: Fanout,
    log: Say | None = None,
) -> StageReport:
    """Round 2's labels of every image that the model has seen (spec 5)."""
    writer = MaskShardWriter(home.versions_of("round2_labels", shard), version_of(provenance), predictions.keys)
    worker = MergeWorker(old, predictions, settings.self_training)
    return run_stage(writer, provenance, worker, pool, f"round 2 labels of {shard}", log)


def merge_bound(home: Home, labels: MaskShardReader, shard: str) -> int:
    """Most labels that an image of the second round may have: all old ones and all predictions."""
    inputs = labels.versions.provenance(labels.version)["inputs"]
    counts = [open_masks(home, asset, shard, version).counts().max(initial=0) for asset, version in inputs.items()]
    return int(sum(counts))


@dataclass(frozen=True)
class PredictionWorker:
    """Makes a worker that turns the key of an image into the model's masks.

    Attributes:
        round: what the masks' `source` column says.
    """

    source: ShardSource
    model: Location
    settings: PredictionSettings
    limits: LimitSettings
    round: str

    def __call__(self) -> Callable[[str], Made]:
        model = _loaded(self.model, best_device())
        reader = self.source.open()

        def worker(key: str) -> Made:
            watch = Stopwatch()
            with watch.phase("read"):
                image = read_image(reader, key, self.limits)
            with watch.phase("model"):
                masks = predicted_tree(model, image, self.settings, self.round)
            return Made(masks, watch.seconds)

        return worker


def predicted_tree(
    model: MaskModel, image: np.ndarray, settings: PredictionSettings, source: str = "round1"
) -> MaskSet:
    """Masks of one uint8 RGB (H, W, 3) image, best first, as a tree; exact copies of better ones are left out."""
    from models.grouping import GroupingModel

    if isinstance(model, GroupingModel):
        masks = grouped_masks(image, model, settings.grouping, settings.max_masks)
        masks = masks.take(np.flatnonzero((masks.score >= settings.min_score) & (masks.areas() >= settings.min_area)))
        masks = masks.with_columns(source=SOURCES.index(source))
    else:
        (found,) = predict(model, [image], settings, source=source)
        masks = found.masks.with_columns(confidence=found.class_score)
    return build_tree(masks.take(distinct(masks)))


@dataclass(frozen=True)
class MergeWorker:
    """Makes a worker that turns the key of an image into its labels for the second round."""

    old: MaskShardReader
    predictions: MaskShardReader
    settings: SelfTrainingSettings

    def __call__(self) -> Callable[[str], Made]:
        def worker(key: str) -> Made:
            watch = Stopwatch()
            with watch.phase("read"):
                found = self.predictions[key]
                old = self.old[key] if key in self.old else MaskSet.empty(found.size)
            with watch.phase("merge"):
                masks = merge_labels(old, Predictions(found, found.confidence), self.settings)
            return Made(masks, watch.seconds)

        return worker


@lru_cache(maxsize=1)
def _loaded(place: Location, device: str) -> MaskModel:
    return load_model(place, device)
