"""The third stage, divide: objects of each image by MaskCut."""

import dagster as dg

from assets import metadata
from assets.code_versions import NCUT_MASKS as CODE_VERSION
from assets.partitions import GPU_POOL, GROUP, RETRY, SHARDS
from ops.fanout import Fanout
from ops.label_provenance import divide_provenance
from ops.mask_stages import divide_shard, mask_sheet
from ops.presets import Labelling
from stores.home import Home
from stores.manifests import open_manifest, source_of
from stores.mask_store import open_masks


@dg.asset(
    partitions_def=SHARDS,
    group_name=GROUP,
    code_version=CODE_VERSION,
    kinds={"zarr"},
    pool=GPU_POOL,
    retry_policy=RETRY,
)
def ncut_masks(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    labelling: dg.ResourceParam[Labelling],
    fanout: dg.ResourceParam[Fanout],
    shard_manifest: str,
    dino_features: str,
) -> dg.MaterializeResult[str]:
    """Objects of a shard's images, found without labels by normalised cuts of their tokens."""
    shard, settings = context.partition_key, labelling.settings
    source, keys = source_of(home, shard), open_manifest(home, shard, shard_manifest).keys
    forced = labelling.forced_by(context.run.run_id)
    provenance = divide_provenance(CODE_VERSION, shard_manifest, dino_features, settings, forced)
    report = divide_shard(home, provenance, source, keys, settings, fanout, context.log.info)
    masks = open_masks(home, "ncut_masks", shard, report.version)
    return dg.MaterializeResult(
        value=report.version,
        data_version=dg.DataVersion(report.version),
        metadata=metadata.picture(mask_sheet(source, masks, settings.limits), "objects")
        | metadata.of_masks(masks)
        | metadata.of_stage(report, provenance),
    )
