"""The first stage: every image of a shard read once, the broken ones set aside."""

import dagster as dg

from assets import checks, metadata
from assets.partitions import BACKFILL, GROUP, SHARDS
from ops.settings import Labelling
from stores.home import Home
from stores.manifests import build_manifest, publish_manifest, source_of


@dg.asset(
    partitions_def=SHARDS,
    group_name=GROUP,
    code_version="1",
    kinds={"json"},
    backfill_policy=BACKFILL,
    check_specs=checks.specs("shard_manifest", ["decodable"]),
)
def shard_manifest(
    context: dg.AssetExecutionContext, home: dg.ResourceParam[Home], labelling: dg.ResourceParam[Labelling]
) -> dg.MaterializeResult:
    """The images of a shard with their sizes and digests; what cannot be decoded is quarantined with its reason."""
    limits = labelling.settings.limits
    source = source_of(home, context.partition_key)
    manifest = build_manifest(source, max_pixels=limits.max_pixels, min_side=limits.min_side)
    version = publish_manifest(home, manifest)
    return dg.MaterializeResult(
        value=version,
        data_version=dg.DataVersion(version),
        metadata=metadata.of_manifest(manifest),
        check_results=checks.results(checks.manifest_problems(manifest)),
    )
