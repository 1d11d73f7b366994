"""The second stage: tokens of a self-supervised backbone, kept where the settings say so."""

import dagster as dg

from assets import metadata
from assets.code_versions import DINO_FEATURES as CODE_VERSION
from assets.partitions import GPU_POOL, GROUP, RETRY, SHARDS
from models.weights import WeightsUnavailable
from ops.fanout import Fanout
from ops.label_provenance import feature_provenance
from ops.presets import Labelling
from stores.home import Home
from stores.manifests import open_manifest, source_of


@dg.asset(
    partitions_def=SHARDS,
    group_name=GROUP,
    code_version=CODE_VERSION,
    kinds={"pytorch", "zarr"},
    pool=GPU_POOL,
    retry_policy=RETRY,
)
def dino_features(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    labelling: dg.ResourceParam[Labelling],
    fanout: dg.ResourceParam[Fanout],
    shard_manifest: str,
) -> dg.MaterializeResult[str]:
    """Self-supervised tokens of a shard; with `features.keep: none` only what identifies them, and a sample."""
    from ops.feature_stage import feature_shard, pooled_weight_hash

    shard, settings = context.partition_key, labelling.settings
    source, keys = source_of(home, shard), open_manifest(home, shard, shard_manifest).keys
    forced = labelling.forced_by(context.run.run_id)
    try:
        weights = pooled_weight_hash(settings, fanout)
    except WeightsUnavailable as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    provenance = feature_provenance(CODE_VERSION, shard_manifest, settings, weights, forced)
    versions = home.versions("features", "dino_features", shard)
    report, sample = feature_shard(versions, provenance, source, keys, settings, fanout, context.log.info)
    return dg.MaterializeResult(
        value=report.version,
        data_version=dg.DataVersion(report.version),
        metadata=metadata.picture(sample.sheet, "photos and the first three principal components of their tokens")
        | {"kept": settings.features.keep, "sample": dg.MetadataValue.json(dict(sample.statistics))}
        | metadata.of_stage(report, provenance),
    )
