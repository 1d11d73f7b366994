"""The first round: a model that learns from the labels of the chosen shards."""

import dagster as dg

from assets.hierarchical_masks import hierarchical_masks
from assets.partitions import GPU_POOL, ROUNDS
from assets.rounds import trained_model
from ops.learning import Learning
from stores.home import Home

CODE_VERSION = "3"
LABELS = "hierarchical_masks"


@dg.asset(deps=[hierarchical_masks], group_name=ROUNDS, code_version=CODE_VERSION, kinds={"pytorch"}, pool=GPU_POOL)
def round1_model(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    learning: dg.ResourceParam[Learning],
) -> dg.MaterializeResult[str]:
    """Class-agnostic Mask2Former trained on the masks that nobody drew; names the exact shard versions."""
    return trained_model(context, home, learning, "round1_model", CODE_VERSION, LABELS)
