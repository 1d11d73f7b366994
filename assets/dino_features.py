"""The second stage: the backbone, named by its weights' hash, and its tokens where the settings keep them."""

import dagster as dg

from assets import metadata
from assets.partitions import BACKFILL, GPU_POOL, GROUP, RETRY, SHARDS
from ops.fanout import Fanout
from ops.feature_stage import feature_provenance, feature_sheet, keep_features
from ops.settings import Labelling
from stores.home import Home
from stores.manifests import open_manifest, source_of

CODE_VERSION = "1"


@dg.asset(
    partitions_def=SHARDS,
    group_name=GROUP,
    code_version=CODE_VERSION,
    kinds={"pytorch", "zarr"},
    pool=GPU_POOL,
    backfill_policy=BACKFILL,
    retry_policy=RETRY,
)
def dino_features(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    labelling: dg.ResourceParam[Labelling],
    fanout: dg.ResourceParam[Fanout],
    shard_manifest: str,
) -> dg.MaterializeResult:
    """Self-supervised tokens of a shard; with `features.keep: none` only what identifies them, and pictures."""
    shard, settings = context.partition_key, labelling.settings
    keys = open_manifest(home, shard, shard_manifest).keys
    source = source_of(home, shard)
    provenance = feature_provenance(CODE_VERSION, shard_manifest, settings, labelling.force)
    versions = home.versions("features", "dino_features", shard)
    report = keep_features(versions, provenance, source, keys, settings, fanout, context.log.info)
    sheet = feature_sheet(source, keys, settings, fanout.device)
    return dg.MaterializeResult(
        value=report.version,
        data_version=dg.DataVersion(report.version),
        metadata=metadata.of_stage(report)
        | {"backbone": settings.backbone.name, "weights": provenance["weights"], "kept": settings.features.keep}
        | metadata.picture(sheet, "photos and the first three principal components of their tokens"),
    )
