"""Everything that Dagster knows of this project; workspace.yaml points here."""

import dagster as dg

from assets.checks import (
    dino_features_checks,
    hierarchical_masks_checks,
    ncut_masks_checks,
    round1_masks_checks,
    round2_labels_checks,
    shard_manifest_checks,
    unsam_masks_checks,
)
from assets.dino_features import dino_features
from assets.evaluation import dataset_names, evaluation_on
from assets.hierarchical_masks import hierarchical_masks
from assets.ncut_masks import ncut_masks
from assets.round1_masks import round1_masks
from assets.round1_model import round1_model
from assets.round2_labels import round2_labels
from assets.shard_manifest import shard_manifest
from assets.unsam_masks import unsam_masks
from assets.unsam_model import unsam_model
from pipelines.io_managers import version_io_manager
from pipelines.jobs import evaluate, label_shards, predict_round1, predict_round2, train_round1, train_round2
from pipelines.resources import EvaluationResource, FanoutResource, HomeResource, LabellingResource, LearningResource

LABELS = [shard_manifest, dino_features, ncut_masks, hierarchical_masks]
ROUNDS = [round1_model, round1_masks, round2_labels, unsam_model, unsam_masks]
CHECKS = [
    shard_manifest_checks,
    dino_features_checks,
    ncut_masks_checks,
    hierarchical_masks_checks,
    round1_masks_checks,
    round2_labels_checks,
    unsam_masks_checks,
]

RESOURCES = {
    "home": HomeResource(),
    "labelling": LabellingResource(),
    "learning": LearningResource(),
    "evaluating": EvaluationResource(),
    "fanout": FanoutResource(),
    "io_manager": version_io_manager,
}

defs = dg.Definitions(
    assets=[*LABELS, *ROUNDS, evaluation_on(dataset_names())],
    asset_checks=CHECKS,
    jobs=[label_shards, train_round1, predict_round1, train_round2, predict_round2, evaluate],
    executor=dg.in_process_executor,
    resources=RESOURCES,
)
