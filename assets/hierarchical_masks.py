"""The fourth stage: a tree of masks for each image, from whole to part."""

import dagster as dg

from assets import metadata
from assets.code_versions import HIERARCHICAL_MASKS as CODE_VERSION
from assets.partitions import GPU_POOL, GROUP, RETRY, SHARDS
from ops.fanout import Fanout
from ops.label_provenance import hierarchy_provenance
from ops.mask_stages import hierarchy_shard, hierarchy_sheet
from ops.presets import Labelling
from stores.home import Home
from stores.manifests import source_of
from stores.mask_store import open_masks


@dg.asset(
    partitions_def=SHARDS,
    group_name=GROUP,
    code_version=CODE_VERSION,
    kinds={"zarr"},
    pool=GPU_POOL,
    retry_policy=RETRY,
)
def hierarchical_masks(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    labelling: dg.ResourceParam[Labelling],
    fanout: dg.ResourceParam[Fanout],
    ncut_masks: str,
) -> dg.MaterializeResult[str]:
    """Masks of a shard's images at every granularity, each with its parent, level, granularity and score."""
    shard, settings = context.partition_key, labelling.settings
    source, objects = source_of(home, shard), open_masks(home, "ncut_masks", shard, ncut_masks)
    provenance = hierarchy_provenance(CODE_VERSION, ncut_masks, settings, labelling.forced_by(context.run.run_id))
    report = hierarchy_shard(home, provenance, source, objects, settings, fanout, context.log.info)
    masks = open_masks(home, "hierarchical_masks", shard, report.version)
    sheet = hierarchy_sheet(source, masks, settings.limits)
    return dg.MaterializeResult(
        value=report.version,
        data_version=dg.DataVersion(report.version),
        metadata=metadata.picture(sheet, "photos, coarse masks and fine masks")
        | metadata.of_masks(masks)
        | metadata.of_stage(report, provenance),
    )
