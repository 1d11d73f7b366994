"""What the model of the second round finds in a shard."""

import dagster as dg

from assets import metadata
from assets.partitions import GPU_POOL, RETRY, ROUNDS, SHARDS
from ops.fanout import Fanout
from ops.learning import Learning
from ops.mask_stages import hierarchy_sheet
from ops.model_files import model_location
from ops.model_stages import predict_shard, prediction_provenance
from stores.home import Home
from stores.manifests import open_manifest, source_of
from stores.mask_store import open_masks

CODE_VERSION = "1"


@dg.asset(
    partitions_def=SHARDS,
    group_name=ROUNDS,
    code_version=CODE_VERSION,
    kinds={"pytorch", "zarr"},
    pool=GPU_POOL,
    retry_policy=RETRY,
)
def unsam_masks(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    learning: dg.ResourceParam[Learning],
    fanout: dg.ResourceParam[Fanout],
    shard_manifest: str,
    unsam_model: str,
) -> dg.MaterializeResult[str]:
    """Masks of a shard's images by the model of the second round, with score, confidence and tree."""
    shard, settings = context.partition_key, learning.settings
    source, keys = source_of(home, shard), open_manifest(home, shard, shard_manifest).keys
    forced = learning.forced_by(context.run.run_id)
    provenance = prediction_provenance(CODE_VERSION, "unsam_masks", shard_manifest, unsam_model, settings, forced)
    model = model_location(home, "unsam_model", unsam_model)
    report = predict_shard(home, "unsam_masks", provenance, source, keys, model, settings, fanout, context.log.info)
    masks = open_masks(home, "unsam_masks", shard, report.version)
    sheet = hierarchy_sheet(source, masks, settings.limits)
    return dg.MaterializeResult(
        value=report.version,
        data_version=dg.DataVersion(report.version),
        metadata=metadata.picture(sheet, "photos, coarse masks and fine masks")
        | metadata.of_masks(masks)
        | metadata.of_stage(report, provenance),
    )
