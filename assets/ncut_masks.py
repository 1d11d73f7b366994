"""The third stage, divide: objects of each image by MaskCut."""

import dagster as dg

from assets import checks, metadata
from assets.partitions import BACKFILL, GPU_POOL, GROUP, RETRY, SHARDS
from ops.fanout import Fanout
from ops.mask_checks import FLAT_CHECKS, check_shard
from ops.mask_stages import divide_bound, divide_provenance, divide_shard, mask_sheet
from ops.settings import Labelling
from stores.home import Home
from stores.manifests import open_manifest, source_of
from stores.mask_store import open_masks

CODE_VERSION = "1"


@dg.asset(
    partitions_def=SHARDS,
    group_name=GROUP,
    code_version=CODE_VERSION,
    kinds={"zarr"},
    pool=GPU_POOL,
    backfill_policy=BACKFILL,
    retry_policy=RETRY,
    check_specs=checks.specs("ncut_masks", FLAT_CHECKS),
)
def ncut_masks(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    labelling: dg.ResourceParam[Labelling],
    fanout: dg.ResourceParam[Fanout],
    shard_manifest: str,
    dino_features: str,
) -> dg.MaterializeResult:
    """Objects of a shard's images, found without labels by normalised cuts of their tokens."""
    shard, settings = context.partition_key, labelling.settings
    source, keys = source_of(home, shard), open_manifest(home, shard, shard_manifest).keys
    provenance = divide_provenance(CODE_VERSION, shard_manifest, dino_features, settings, labelling.force)
    report = divide_shard(home, provenance, source, keys, settings, fanout, context.log.info)
    masks = open_masks(home, "ncut_masks", shard, report.version)
    return dg.MaterializeResult(
        value=report.version,
        data_version=dg.DataVersion(report.version),
        metadata=metadata.of_stage(report)
        | metadata.of_masks(masks.counts())
        | metadata.picture(mask_sheet(source, masks, settings), "objects"),
        check_results=checks.results(check_shard(masks, FLAT_CHECKS, divide_bound(settings))),
    )
