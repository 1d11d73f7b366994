"""Everything that Dagster knows of this project; workspace.yaml points here."""

import dagster as dg

from assets.checks import (
    dino_features_checks,
    hierarchical_masks_checks,
    ncut_masks_checks,
    shard_manifest_checks,
)
from assets.dino_features import dino_features
from assets.hierarchical_masks import hierarchical_masks
from assets.ncut_masks import ncut_masks
from assets.shard_manifest import shard_manifest
from pipelines.io_managers import version_io_manager
from pipelines.jobs import label_shards
from pipelines.resources import FanoutResource, HomeResource, LabellingResource

defs = dg.Definitions(
    assets=[shard_manifest, dino_features, ncut_masks, hierarchical_masks],
    asset_checks=[shard_manifest_checks, dino_features_checks, ncut_masks_checks, hierarchical_masks_checks],
    jobs=[label_shards],
    executor=dg.in_process_executor,
    resources={
        "home": HomeResource(),
        "labelling": LabellingResource(),
        "fanout": FanoutResource(),
        "io_manager": version_io_manager,
    },
)
