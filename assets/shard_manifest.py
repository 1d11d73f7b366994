"""The first stage: every image of a shard read, the broken ones set aside."""

import dagster as dg

from assets import metadata
from assets.partitions import GROUP, RETRY, SHARDS
from ops.manifest_stage import refresh_manifest
from ops.presets import Labelling
from stores.home import Home
from stores.manifests import source_of


@dg.asset(
    partitions_def=SHARDS,
    group_name=GROUP,
    code_version="1",
    kinds={"json"},
    retry_policy=RETRY,
)
def shard_manifest(
    context: dg.AssetExecutionContext, home: dg.ResourceParam[Home], labelling: dg.ResourceParam[Labelling]
) -> dg.MaterializeResult[str]:
    """The images of a shard with their sizes and digests; what cannot be decoded is quarantined with its reason."""
    source = source_of(home, context.partition_key)
    manifest, still_true = refresh_manifest(home, source, labelling.settings.limits, labelling.force)
    return dg.MaterializeResult(
        value=manifest.fingerprint,
        data_version=dg.DataVersion(manifest.fingerprint),
        metadata=metadata.of_manifest(manifest, still_true),
    )
