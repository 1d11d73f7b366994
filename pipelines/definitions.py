"""Everything that Dagster knows of this project; workspace.yaml points here."""

import dagster as dg

from assets.cam_labels import cam_labels
from assets.checks import (
    auto_masks_checks,
    dino_features_checks,
    hierarchical_masks_checks,
    ncut_masks_checks,
    plus_labels_checks,
    round1_masks_checks,
    round2_labels_checks,
    sa1b_masks_checks,
    shard_manifest_checks,
    unsam_masks_checks,
    unsam_plus_masks_checks,
)
from assets.class_checks import cam_labels_checks, semantic_labels_checks, sepl_labels_checks
from assets.class_evaluation import class_evaluation
from assets.data_engine import corrected_masks, engine_labels, proposals
from assets.dino_features import dino_features
from assets.evaluation import dataset_names, evaluation_on
from assets.hierarchical_masks import hierarchical_masks
from assets.image_classifier import image_classifier
from assets.image_tags import image_tags
from assets.ncut_masks import ncut_masks
from assets.plus_ablations import human_only_masks, human_only_model, union_labels, union_masks, union_model
from assets.plus_labels import plus_labels
from assets.prompt_evaluation import prompt_evaluation_on
from assets.promptable import auto_masks, promptable_model, promptable_plus_model
from assets.round1_masks import round1_masks
from assets.round1_model import round1_model
from assets.round2_labels import round2_labels
from assets.sa1b_masks import sa1b_masks
from assets.semantic_labels import semantic_labels
from assets.semantic_model import semantic_model
from assets.sepl_labels import sepl_labels
from assets.shard_manifest import shard_manifest
from assets.unsam_masks import unsam_masks
from assets.unsam_model import unsam_model
from assets.unsam_plus_masks import unsam_plus_masks
from assets.unsam_plus_model import unsam_plus_model
from pipelines.alerts import alerts_from_environment
from pipelines.automation import load_automation
from pipelines.freshness import with_freshness
from pipelines.io_managers import version_io_manager
from pipelines.jobs import JOBS
from pipelines.resources import (
    ClassesResource,
    ClassEvaluationResource,
    EngineResource,
    EvaluationResource,
    FanoutResource,
    HomeResource,
    LabellingResource,
    LearningResource,
    PromptEvaluationResource,
    PromptingResource,
)
from pipelines.schedules import schedules
from pipelines.sensors import sensors

LABELS = [shard_manifest, dino_features, ncut_masks, hierarchical_masks]
ROUNDS = [round1_model, round1_masks, round2_labels, unsam_model, unsam_masks]
HUMAN = [sa1b_masks, plus_labels, unsam_plus_model, unsam_plus_masks]
ABLATIONS = [union_labels, human_only_model, union_model, human_only_masks, union_masks]
PROMPTABLE = [promptable_model, promptable_plus_model, auto_masks]
ENGINE = [proposals, corrected_masks, engine_labels]
CLASSES = [image_classifier, cam_labels, sepl_labels, semantic_model, semantic_labels]
CHECKS = [
    shard_manifest_checks,
    dino_features_checks,
    ncut_masks_checks,
    hierarchical_masks_checks,
    round1_masks_checks,
    round2_labels_checks,
    unsam_masks_checks,
    sa1b_masks_checks,
    plus_labels_checks,
    unsam_plus_masks_checks,
    auto_masks_checks,
    cam_labels_checks,
    sepl_labels_checks,
    semantic_labels_checks,
]

RESOURCES = {
    "home": HomeResource(),
    "labelling": LabellingResource(),
    "learning": LearningResource(),
    "prompting": PromptingResource(),
    "prompt_evaluating": PromptEvaluationResource(),
    "engine": EngineResource(),
    "classes": ClassesResource(),
    "class_evaluating": ClassEvaluationResource(),
    "evaluating": EvaluationResource(),
    "fanout": FanoutResource(),
    "alerts": alerts_from_environment(),
    "io_manager": version_io_manager,
}
AUTOMATION = load_automation()

defs = dg.Definitions(
    assets=[
        *with_freshness([*LABELS, *ROUNDS, *HUMAN, *PROMPTABLE, *CLASSES], AUTOMATION.freshness),
        *ABLATIONS,
        *ENGINE,
        image_tags,
        class_evaluation,
        evaluation_on(dataset_names()),
        prompt_evaluation_on(dataset_names()),
    ],
    asset_checks=CHECKS,
    jobs=JOBS,
    schedules=schedules(AUTOMATION),
    sensors=sensors(AUTOMATION),
    executor=dg.in_process_executor,
    resources=RESOURCES,
)
