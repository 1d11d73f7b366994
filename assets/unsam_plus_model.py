"""UnSAM+ (spec 6): the same trainer on human masks and on what humans overlooked."""

import dagster as dg

from assets.partitions import GPU_POOL, PLUS
from assets.plus_labels import plus_labels
from assets.rounds import trained_model
from ops.learning import Learning
from stores.home import Home

CODE_VERSION = "1"
LABELS = "plus_labels"


@dg.asset(deps=[plus_labels], group_name=PLUS, code_version=CODE_VERSION, kinds={"pytorch"}, pool=GPU_POOL)
def unsam_plus_model(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    learning: dg.ResourceParam[Learning],
) -> dg.MaterializeResult[str]:
    """Class-agnostic Mask2Former trained on `plus_labels`, from the self-supervised backbone."""
    return trained_model(context, home, learning, "unsam_plus_model", CODE_VERSION, LABELS)
