"""Labels of UnSAM+ (spec 6): all human masks, and the unsupervised ones that overlap none of them."""

import dagster as dg

from assets.partitions import PLUS, RETRY, SHARDS
from assets.plus import SOURCES, united_labels
from ops.fanout import Fanout
from ops.learning import Learning
from stores.home import Home

CODE_VERSION = "1"


@dg.asset(
    deps=SOURCES, partitions_def=SHARDS, group_name=PLUS, code_version=CODE_VERSION, kinds={"zarr"}, retry_policy=RETRY
)
def plus_labels(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    learning: dg.ResourceParam[Learning],
    fanout: dg.ResourceParam[Fanout],
    shard_manifest: str,
    sa1b_masks: str,
) -> dg.MaterializeResult[str]:
    """Every human mask, and the masks of `plus.source` whose IoU with each of them is at most `plus.tau`."""
    tau = learning.settings.plus.tau
    return united_labels(context, home, learning, fanout, "plus_labels", CODE_VERSION, shard_manifest, sa1b_masks, tau)
