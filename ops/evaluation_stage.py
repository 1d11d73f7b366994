"""Pseudo-labels and trained models on the photos of a dataset, scored against its human masks.

Masks come from the stages that shards go through, in a home of the dataset's own: they are computed once a version, and
what an interrupted evaluation finished is kept.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from ops.datasets import Dataset
from ops.evaluation import Scores, evaluate
from ops.evaluation_photos import EvaluationPhotos, StoredMasks, evaluation_home, register_photos
from ops.evaluation_request import UnknownSource
from ops.fanout import Fanout
from ops.feature_stage import feature_shard, pooled_weight_hash
from ops.label_provenance import divide_provenance, feature_provenance, hierarchy_provenance
from ops.learning import LearningSettings
from ops.manifest_stage import refresh_manifest
from ops.mask_stages import divide_shard, hierarchy_shard
from ops.model_files import model_location
from ops.model_stages import MODEL_OF, learned_settings, predict_shard, prediction_provenance
from ops.settings import LabelSettings
from ops.stages import Say
from stores.home import Home
from stores.manifests import Manifest
from stores.mask_store import MaskShardReader, open_masks
from stores.shards import ShardSource
from stores.versions import version_of

PSEUDO_LABELS = "pseudo_labels"
MODEL_MASKS = {
    "round1": "round1_masks",
    "round2": "unsam_masks",
    "unsam_plus": "unsam_plus_masks",
    "human_only": "human_only_masks",
    "union": "union_masks",
}
SOURCES = (PSEUDO_LABELS, *MODEL_MASKS)
EXPECTED = ("round1", "round2")


@dataclass(frozen=True)
class Contestants:
    """What is to be scored.

    Attributes:
        labels: recipe of the pseudo-labels.
        learning: how models predict; None: each by the settings that it was trained with.
        code: code version of every asset that takes part, by its name.
        sources: those of `SOURCES` to score, all of which must exist; empty takes the labels and every model there is.
        forced: as in `Labelling.forced_by`.
    """

    labels: LabelSettings
    learning: LearningSettings | None
    code: Mapping[str, str]
    sources: tuple[str, ...] = ()
    forced: str | None = None


@dataclass(frozen=True)
class ScoredSource:
    """Scores of one source of masks, which model or label recipe (by version) made them, and their version by shard."""

    scores: Scores
    made_by: str
    versions: dict[str, str]


@dataclass(frozen=True)
class Evaluation:
    """All sources of a dataset by name, models of the rounds that do not exist yet, and wall time in seconds."""

    sources: dict[str, ScoredSource]
    missing_models: tuple[str, ...]
    images: int
    seconds: float


def evaluate_dataset(
    home: Home,
    dataset: Dataset,
    contestants: Contestants,
    pool: Fanout,
    limit: int | None = None,
    log: Say | None = None,
) -> Evaluation:
    """Score the pseudo-labels and every model that is published, or those that are asked for.

    Args:
        home: that holds the models; what is computed goes into `evaluation_home`.
        limit: the first so many images only.

    Raises:
        DatasetError, MismatchedImages: the dataset cannot be scored against.
        UnknownSource: a source that is asked for does not exist; nothing is computed.
        WeightsUnavailable: of the backbone or a model.
        FanoutError, OutOfSpace: as `ops.stages.run_stage`.
    """
    begun = time.perf_counter()
    made_by, missing = _makers(home, contestants)
    truth = dataset.load(limit)
    place = evaluation_home(home, dataset.name)
    photos = register_photos(place, dataset.images_folder, truth)
    runner = _Runner(home, place, contestants, pool, log)
    manifests = runner.manifests(photos)
    sources = {}
    for name, maker in made_by.items():
        readers = {shard: runner.masks(name, maker, photos.sources[shard], manifests[shard]) for shard in manifests}
        if log:
            log(f"scoring {name} on {len(truth.images)} images of {dataset.name}")
        versions = {shard: reader.version for shard, reader in readers.items()}
        sources[name] = ScoredSource(evaluate(StoredMasks(photos, readers), truth), maker, versions)
    return Evaluation(sources, missing, len(truth.images), time.perf_counter() - begun)


def _makers(home: Home, contestants: Contestants) -> tuple[dict[str, str], tuple[str, ...]]:
    """What makes the masks of each source to score, by version, and expected models that are not trained yet."""
    found = {PSEUDO_LABELS: version_of(contestants.labels.model_dump(mode="json"))}
    for name, asset in MODEL_MASKS.items():
        if (model := home.versions_of(MODEL_OF[asset]).current()) is not None:
            found[name] = model
    for name in contestants.sources:
        if name not in SOURCES:
            raise UnknownSource(f"unknown source {name!r}; there are {', '.join(SOURCES)}")
        if name not in found:
            raise UnknownSource(f"{name} cannot be scored: {MODEL_OF[MODEL_MASKS[name]]} is not trained yet")
    wanted = contestants.sources or SOURCES
    missing = tuple(MODEL_OF[MODEL_MASKS[name]] for name in EXPECTED if name in wanted and name not in found)
    return {name: maker for name, maker in found.items() if name in wanted}, missing


@dataclass(frozen=True)
class _Runner:
    """The stages of one evaluation, a shard at a time; each returns what it published.

    Attributes:
        home: of the models. place: of the dataset's photos and masks.
    """

    home: Home
    place: Home
    contestants: Contestants
    pool: Fanout
    log: Say | None

    def manifests(self, photos: EvaluationPhotos) -> dict[str, Manifest]:
        limits = self.contestants.labels.limits
        return {shard: refresh_manifest(self.place, source, limits)[0] for shard, source in photos.sources.items()}

    def masks(self, name: str, maker: str, source: ShardSource, manifest: Manifest) -> MaskShardReader:
        """Masks of a source by its name and the version of what makes them."""
        if name == PSEUDO_LABELS:
            return self.labels(source, manifest)
        return self.predictions(MODEL_MASKS[name], maker, source, manifest)

    def labels(self, source: ShardSource, manifest: Manifest) -> MaskShardReader:
        settings, objects = self.contestants.labels, self._objects(source, manifest)
        provenance = hierarchy_provenance(
            self.contestants.code["hierarchical_masks"], objects.version, settings, self.contestants.forced
        )
        report = hierarchy_shard(self.place, provenance, source, objects, settings, self.pool, self.log)
        return open_masks(self.place, "hierarchical_masks", source.shard, report.version)

    def predictions(self, asset: str, model: str, source: ShardSource, manifest: Manifest) -> MaskShardReader:
        settings = self.contestants.learning or learned_settings(self.home, MODEL_OF[asset], model)
        provenance = prediction_provenance(
            self.contestants.code[asset], asset, manifest.fingerprint, model, settings, self.contestants.forced
        )
        file = model_location(self.home, MODEL_OF[asset], model)
        report = predict_shard(
            self.place, asset, provenance, source, manifest.keys, file, settings, self.pool, self.log
        )
        return open_masks(self.place, asset, source.shard, report.version)

    def _objects(self, source: ShardSource, manifest: Manifest) -> MaskShardReader:
        settings, code, forced = self.contestants.labels, self.contestants.code, self.contestants.forced
        features = self._features(source, manifest)
        provenance = divide_provenance(code["ncut_masks"], manifest.fingerprint, features, settings, forced)
        report = divide_shard(self.place, provenance, source, manifest.keys, settings, self.pool, self.log)
        return open_masks(self.place, "ncut_masks", source.shard, report.version)

    def _features(self, source: ShardSource, manifest: Manifest) -> str:
        """Version of the tokens; where none are kept it only names them, and the sample for the UI is left out."""
        settings, code, forced = self.contestants.labels, self.contestants.code, self.contestants.forced
        weights = pooled_weight_hash(settings, self.pool)
        provenance = feature_provenance(code["dino_features"], manifest.fingerprint, settings, weights, forced)
        if settings.features.keep != "none":
            versions = self.place.versions_of("dino_features", source.shard)
            feature_shard(versions, provenance, source, manifest.keys, settings, self.pool, self.log)
        return version_of(provenance)
