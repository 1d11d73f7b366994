"""Blocking checks of what each stage stored: a version that fails one is withdrawn, and no later stage sees it."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from assets.partitions import SHARDS
from ops.check_names import FEATURE_CHECKS, FLAT_CHECKS, TREE_CHECKS
from ops.fanout import Fanout
from ops.learning import Learning
from ops.manifest_stage import MANIFEST_CHECKS, check_manifest
from ops.presets import Labelling
from ops.promptable.request import Prompting
from stores.home import Home
from stores.manifests import manifest_versions, open_manifest, source_of
from stores.mask_store import MaskShardReader, open_masks
from stores.versions import Versions

HUMAN_CHECKS = tuple(name for name in TREE_CHECKS if name != "count_within_bounds")
_SHOWN = 20


def specs(asset: str, names: Iterable[str]) -> list[dg.AssetCheckSpec]:
    """Blocking checks of an asset that has a partition for each shard."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [dg.AssetCheckSpec(name, asset=asset, blocking=True, partitions_def=SHARDS) for name in names]


@dg.multi_asset_check(name="shard_manifest_checks", specs=specs("shard_manifest", MANIFEST_CHECKS))
def shard_manifest_checks(
    context: dg.AssetCheckExecutionContext, home: dg.ResourceParam[Home], shard_manifest: str
) -> Iterator[dg.AssetCheckResult]:
    """At least one image of the shard can be used."""
    shard = context.partition_key
    problems = check_manifest(open_manifest(home, shard, shard_manifest))
    yield from gate("shard_manifest", manifest_versions(home, shard), shard_manifest, problems)


@dg.multi_asset_check(name="dino_features_checks", specs=specs("dino_features", FEATURE_CHECKS))
def dino_features_checks(
    context: dg.AssetCheckExecutionContext,
    home: dg.ResourceParam[Home],
    labelling: dg.ResourceParam[Labelling],
    fanout: dg.ResourceParam[Fanout],
    dino_features: str,
) -> Iterator[dg.AssetCheckResult]:
    """Tokens of a few images are numbers, and not all the same."""
    from ops.feature_stage import check_features, stored_statistics

    shard = context.partition_key
    versions = home.versions("features", "dino_features", shard)
    statistics = stored_statistics(versions, dino_features, source_of(home, shard), labelling.settings, fanout)
    yield from gate("dino_features", versions, dino_features, check_features(statistics))


@dg.multi_asset_check(name="ncut_masks_checks", specs=specs("ncut_masks", FLAT_CHECKS))
def ncut_masks_checks(
    context: dg.AssetCheckExecutionContext,
    home: dg.ResourceParam[Home],
    labelling: dg.ResourceParam[Labelling],
    ncut_masks: str,
) -> Iterator[dg.AssetCheckResult]:
    """Objects are sound, read back from the store."""
    from ops.mask_stages import divide_bound

    masks = open_masks(home, "ncut_masks", context.partition_key, ncut_masks)
    yield from _gate_masks("ncut_masks", masks, FLAT_CHECKS, divide_bound(labelling.settings))


@dg.multi_asset_check(name="hierarchical_masks_checks", specs=specs("hierarchical_masks", TREE_CHECKS))
def hierarchical_masks_checks(
    context: dg.AssetCheckExecutionContext,
    home: dg.ResourceParam[Home],
    labelling: dg.ResourceParam[Labelling],
    hierarchical_masks: str,
) -> Iterator[dg.AssetCheckResult]:
    """Masks and their trees are sound, read back from the store."""
    from ops.mask_stages import hierarchy_bound

    masks = open_masks(home, "hierarchical_masks", context.partition_key, hierarchical_masks)
    yield from _gate_masks("hierarchical_masks", masks, TREE_CHECKS, hierarchy_bound(labelling.settings))


@dg.multi_asset_check(name="round1_masks_checks", specs=specs("round1_masks", TREE_CHECKS))
def round1_masks_checks(
    context: dg.AssetCheckExecutionContext,
    home: dg.ResourceParam[Home],
    learning: dg.ResourceParam[Learning],
    round1_masks: str,
) -> Iterator[dg.AssetCheckResult]:
    """Predicted masks and their trees are sound, read back from the store."""
    masks = open_masks(home, "round1_masks", context.partition_key, round1_masks)
    yield from _gate_masks("round1_masks", masks, TREE_CHECKS, learning.settings.prediction.max_masks)


@dg.multi_asset_check(name="round2_labels_checks", specs=specs("round2_labels", TREE_CHECKS))
def round2_labels_checks(
    context: dg.AssetCheckExecutionContext,
    home: dg.ResourceParam[Home],
    round2_labels: str,
) -> Iterator[dg.AssetCheckResult]:
    """Labels of the second round are sound, read back from the store."""
    from ops.model_stages import merge_bound

    masks = open_masks(home, "round2_labels", context.partition_key, round2_labels)
    yield from _gate_masks("round2_labels", masks, TREE_CHECKS, merge_bound(home, masks, context.partition_key))


@dg.multi_asset_check(name="unsam_masks_checks", specs=specs("unsam_masks", TREE_CHECKS))
def unsam_masks_checks(
    context: dg.AssetCheckExecutionContext,
    home: dg.ResourceParam[Home],
    learning: dg.ResourceParam[Learning],
    unsam_masks: str,
) -> Iterator[dg.AssetCheckResult]:
    """Predicted masks and their trees are sound, read back from the store."""
    masks = open_masks(home, "unsam_masks", context.partition_key, unsam_masks)
    yield from _gate_masks("unsam_masks", masks, TREE_CHECKS, learning.settings.prediction.max_masks)


@dg.multi_asset_check(name="sa1b_masks_checks", specs=specs("sa1b_masks", HUMAN_CHECKS))
def sa1b_masks_checks(
    context: dg.AssetCheckExecutionContext, home: dg.ResourceParam[Home], sa1b_masks: str
) -> Iterator[dg.AssetCheckResult]:
    """Human masks and their trees are sound, read back from the store."""
    masks = open_masks(home, "sa1b_masks", context.partition_key, sa1b_masks)
    yield from _gate_masks("sa1b_masks", masks, HUMAN_CHECKS, 0)


@dg.multi_asset_check(name="plus_labels_checks", specs=specs("plus_labels", TREE_CHECKS))
def plus_labels_checks(
    context: dg.AssetCheckExecutionContext, home: dg.ResourceParam[Home], plus_labels: str
) -> Iterator[dg.AssetCheckResult]:
    """Labels of UnSAM+ are sound, read back from the store."""
    from ops.model_stages import merge_bound

    masks = open_masks(home, "plus_labels", context.partition_key, plus_labels)
    yield from _gate_masks("plus_labels", masks, TREE_CHECKS, merge_bound(home, masks, context.partition_key))


@dg.multi_asset_check(name="unsam_plus_masks_checks", specs=specs("unsam_plus_masks", TREE_CHECKS))
def unsam_plus_masks_checks(
    context: dg.AssetCheckExecutionContext,
    home: dg.ResourceParam[Home],
    learning: dg.ResourceParam[Learning],
    unsam_plus_masks: str,
) -> Iterator[dg.AssetCheckResult]:
    """Predicted masks and their trees are sound, read back from the store."""
    masks = open_masks(home, "unsam_plus_masks", context.partition_key, unsam_plus_masks)
    yield from _gate_masks("unsam_plus_masks", masks, TREE_CHECKS, learning.settings.prediction.max_masks)


@dg.multi_asset_check(name="auto_masks_checks", specs=specs("auto_masks", TREE_CHECKS))
def auto_masks_checks(
    context: dg.AssetCheckExecutionContext,
    home: dg.ResourceParam[Home],
    prompting: dg.ResourceParam[Prompting],
    auto_masks: str,
) -> Iterator[dg.AssetCheckResult]:
    """Masks of the grid of clicks and their trees are sound, read back from the store."""
    masks = open_masks(home, "auto_masks", context.partition_key, auto_masks)
    yield from _gate_masks("auto_masks", masks, TREE_CHECKS, prompting.settings.most_masks)


def _gate_masks(
    asset: str, masks: MaskShardReader, names: Iterable[str], most_masks: int
) -> Iterator[dg.AssetCheckResult]:
    from ops.mask_checks import check_shard

    yield from gate(asset, masks.versions, masks.version, check_shard(masks, names, most_masks))


def gate(
    asset: str, versions: Versions, version: str, problems: Mapping[str, Sequence[str]]
) -> Iterator[dg.AssetCheckResult]:
    """One result a check: passed where it has no problems, else with the first of them."""
    if any(problems.values()):
        versions.withdraw(version)
    for name, found in problems.items():
        metadata: dict[str, Any] = {"version": version, "problems": len(found)}
        if found:
            metadata["first"] = dg.MetadataValue.md("\n".join(f"* {problem}" for problem in found[:_SHOWN]))
        yield dg.AssetCheckResult(
            asset_key=asset,
            check_name=name,
            passed=not found,
            description=f"{len(found)} problems, the first: {found[0]}" if found else None,
            metadata=metadata,
        )
