"""Blocking checks of label maps: a version that fails one is withdrawn, and no later stage sees it."""

from collections.abc import Iterator

import dagster as dg

from assets.checks import gate, specs
from ops.sepl.label_checks import LABEL_CHECKS, PREDICTION_CHECKS, check_labels
from ops.sepl.tag_stage import open_tags
from stores.home import Home
from stores.label_map_store import open_labels
from stores.manifests import open_manifest


@dg.multi_asset_check(name="cam_labels_checks", specs=specs("cam_labels", LABEL_CHECKS))
def cam_labels_checks(
    context: dg.AssetCheckExecutionContext, home: dg.ResourceParam[Home], cam_labels: str
) -> Iterator[dg.AssetCheckResult]:
    """Pseudo-labels have their photo's size and no class that nobody tagged."""
    yield from _gate_tagged(home, "cam_labels", context.partition_key, cam_labels)


@dg.multi_asset_check(name="sepl_labels_checks", specs=specs("sepl_labels", LABEL_CHECKS))
def sepl_labels_checks(
    context: dg.AssetCheckExecutionContext, home: dg.ResourceParam[Home], sepl_labels: str
) -> Iterator[dg.AssetCheckResult]:
    """Repaired labels have their photo's size and no class that nobody tagged."""
    yield from _gate_tagged(home, "sepl_labels", context.partition_key, sepl_labels)


@dg.multi_asset_check(name="semantic_labels_checks", specs=specs("semantic_labels", PREDICTION_CHECKS))
def semantic_labels_checks(
    context: dg.AssetCheckExecutionContext, home: dg.ResourceParam[Home], semantic_labels: str
) -> Iterator[dg.AssetCheckResult]:
    """Predicted labels have their photo's size and are labels of the tags."""
    shard = context.partition_key
    reader = open_labels(home, "semantic_labels", shard, semantic_labels)
    problems = check_labels(reader, open_manifest(home, shard), len(open_tags(home).labels))
    yield from gate("semantic_labels", reader.versions, semantic_labels, problems)


def _gate_tagged(home: Home, asset: str, shard: str, version: str) -> Iterator[dg.AssetCheckResult]:
    reader, manifest, tags = open_labels(home, asset, shard, version), open_manifest(home, shard), open_tags(home)
    problems = check_labels(reader, manifest, len(tags.labels), tags.matched(manifest.keys).of_key)
    yield from gate(asset, reader.versions, version, problems)
