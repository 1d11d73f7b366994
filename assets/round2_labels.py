"""Labels of the second round: sure predictions, and the old masks that overlap none of them."""

import dagster as dg

from assets import metadata
from assets.partitions import RETRY, ROUNDS, SHARDS
from ops.fanout import Fanout
from ops.learning import Learning
from ops.mask_stages import hierarchy_sheet
from stores.home import Home
from stores.manifests import source_of
from stores.mask_store import open_masks

CODE_VERSION = "1"


@dg.asset(partitions_def=SHARDS, group_name=ROUNDS, code_version=CODE_VERSION, kinds={"zarr"}, retry_policy=RETRY)
def round2_labels(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    learning: dg.ResourceParam[Learning],
    fanout: dg.ResourceParam[Fanout],
    hierarchical_masks: str,
    round1_masks: str,
) -> dg.MaterializeResult[str]:
    """What the model is surer of than 0.7, and the old masks whose IoU with all of that is at most 0.5."""
    from ops.model_stages import merge_shard, round2_provenance

    shard, settings = context.partition_key, learning.settings
    old = open_masks(home, "hierarchical_masks", shard, hierarchical_masks)
    found = open_masks(home, "round1_masks", shard, round1_masks)
    forced = learning.forced_by(context.run.run_id)
    provenance = round2_provenance(CODE_VERSION, hierarchical_masks, round1_masks, settings, forced)
    report = merge_shard(home, provenance, shard, old, found, settings, fanout, context.log.info)
    masks = open_masks(home, "round2_labels", shard, report.version)
    return dg.MaterializeResult(
        value=report.version,
        data_version=dg.DataVersion(report.version),
        metadata=metadata.picture(
            hierarchy_sheet(source_of(home, shard), masks, settings.limits), "photos, coarse masks and fine masks"
        )
        | metadata.of_masks(masks)
        | metadata.by_source(masks)
        | metadata.of_stage(report, provenance),
    )
