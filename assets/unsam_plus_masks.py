"""What UnSAM+ finds in a shard."""

import dagster as dg

from assets.partitions import GPU_POOL, PLUS, RETRY, SHARDS
from assets.rounds import predicted_masks
from ops.fanout import Fanout
from ops.learning import Learning
from stores.home import Home

CODE_VERSION = "2"


@dg.asset(
    partitions_def=SHARDS,
    group_name=PLUS,
    code_version=CODE_VERSION,
    kinds={"pytorch", "zarr"},
    pool=GPU_POOL,
    retry_policy=RETRY,
)
def unsam_plus_masks(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    learning: dg.ResourceParam[Learning],
    fanout: dg.ResourceParam[Fanout],
    shard_manifest: str,
    unsam_plus_model: str,
) -> dg.MaterializeResult[str]:
    """Masks of a shard's images by UnSAM+, with score, confidence and tree."""
    return predicted_masks(
        context, home, learning, fanout, "unsam_plus_masks", CODE_VERSION, shard_manifest, unsam_plus_model
    )
