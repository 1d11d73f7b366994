"""UnSAM+ (spec 6): the same trainer on human masks and on what humans overlooked."""

import dagster as dg

from assets.partitions import GPU_POOL, PLUS
from assets.plus import plus_model
from assets.plus_labels import plus_labels
from ops.learning import Learning
from stores.home import Home

CODE_VERSION = "5"
LABELS = "plus_labels"


@dg.asset(deps=[plus_labels], group_name=PLUS, code_version=CODE_VERSION, kinds={"pytorch"}, pool=GPU_POOL)
def unsam_plus_model(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    learning: dg.ResourceParam[Learning],
) -> dg.MaterializeResult[str]:
    """A mask model trained on `plus_labels`; `plus.initial` says what it goes on from."""
    return plus_model(context, home, learning, "unsam_plus_model", CODE_VERSION, LABELS)
