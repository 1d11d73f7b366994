"""What UnSAM+ is compared with: human masks alone, as a supervised SAM-like model sees, and the union without tau."""

import dagster as dg

from assets.partitions import GPU_POOL, PLUS_ABLATIONS, RETRY, SHARDS
from assets.plus import SOURCES, plus_model, united_labels
from assets.rounds import predicted_masks, trained_model
from assets.sa1b_masks import sa1b_masks
from ops.fanout import Fanout
from ops.learning import Learning
from stores.home import Home

CODE_VERSION = "5"


@dg.asset(
    deps=SOURCES,
    partitions_def=SHARDS,
    group_name=PLUS_ABLATIONS,
    code_version=CODE_VERSION,
    kinds={"zarr"},
    retry_policy=RETRY,
)
def union_labels(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    learning: dg.ResourceParam[Learning],
    fanout: dg.ResourceParam[Fanout],
    shard_manifest: str,
    sa1b_masks: str,
) -> dg.MaterializeResult[str]:
    """Every human mask and every mask of `plus.source`."""
    return united_labels(
        context, home, learning, fanout, "union_labels", CODE_VERSION, shard_manifest, sa1b_masks, None
    )


@dg.asset(deps=[union_labels], group_name=PLUS_ABLATIONS, code_version=CODE_VERSION, kinds={"pytorch"}, pool=GPU_POOL)
def union_model(
    context: dg.AssetExecutionContext, home: dg.ResourceParam[Home], learning: dg.ResourceParam[Learning]
) -> dg.MaterializeResult[str]:
    """The same trainer on the union without tau."""
    return plus_model(context, home, learning, "union_model", CODE_VERSION, "union_labels")


@dg.asset(deps=[sa1b_masks], group_name=PLUS_ABLATIONS, code_version=CODE_VERSION, kinds={"pytorch"}, pool=GPU_POOL)
def human_only_model(
    context: dg.AssetExecutionContext, home: dg.ResourceParam[Home], learning: dg.ResourceParam[Learning]
) -> dg.MaterializeResult[str]:
    """The same trainer on human masks alone, and on no image without them; always from the backbone."""
    return trained_model(context, home, learning, "human_only_model", CODE_VERSION, "sa1b_masks")


@dg.asset(
    partitions_def=SHARDS,
    group_name=PLUS_ABLATIONS,
    code_version=CODE_VERSION,
    kinds={"pytorch", "zarr"},
    pool=GPU_POOL,
    retry_policy=RETRY,
)
def union_masks(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    learning: dg.ResourceParam[Learning],
    fanout: dg.ResourceParam[Fanout],
    shard_manifest: str,
    union_model: str,
) -> dg.MaterializeResult[str]:
    """Masks of a shard's images by the model of the union without tau."""
    return predicted_masks(context, home, learning, fanout, "union_masks", CODE_VERSION, shard_manifest, union_model)


@dg.asset(
    partitions_def=SHARDS,
    group_name=PLUS_ABLATIONS,
    code_version=CODE_VERSION,
    kinds={"pytorch", "zarr"},
    pool=GPU_POOL,
    retry_policy=RETRY,
)
def human_only_masks(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    learning: dg.ResourceParam[Learning],
    fanout: dg.ResourceParam[Fanout],
    shard_manifest: str,
    human_only_model: str,
) -> dg.MaterializeResult[str]:
    """Masks of a shard's images by the model of human masks alone."""
    return predicted_masks(
        context, home, learning, fanout, "human_only_masks", CODE_VERSION, shard_manifest, human_only_model
    )
