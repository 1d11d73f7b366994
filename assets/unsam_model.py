"""The second round: the model goes on with what it is sure of, and with the old labels that it did not find."""

import dagster as dg

from assets.partitions import GPU_POOL, ROUNDS
from assets.round2_labels import round2_labels
from assets.rounds import trained_model
from ops.learning import Learning
from stores.home import Home

CODE_VERSION = "5"
LABELS = "round2_labels"


@dg.asset(deps=[round2_labels], group_name=ROUNDS, code_version=CODE_VERSION, kinds={"pytorch"}, pool=GPU_POOL)
def unsam_model(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    learning: dg.ResourceParam[Learning],
    round1_model: str,
) -> dg.MaterializeResult[str]:
    """The model of round 1, trained on with its own labels (UnSAM's self-training)."""
    return trained_model(context, home, learning, "unsam_model", CODE_VERSION, LABELS, {"round1_model": round1_model})
