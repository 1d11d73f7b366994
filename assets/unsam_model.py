"""The second round: the model goes on with what it is sure of, and with the old labels that it did not find."""

import dagster as dg

from assets import metadata
from assets.failures import failing_at_once
from assets.partitions import GPU_POOL, ROUNDS
from assets.round2_labels import round2_labels
from ops.label_shards import label_versions
from ops.learning import Learning
from ops.training_stage import train_stage, training_provenance
from stores.home import Home
from stores.manifests import registered

CODE_VERSION = "1"
LABELS = "round2_labels"


@dg.asset(deps=[round2_labels], group_name=ROUNDS, code_version=CODE_VERSION, kinds={"pytorch"}, pool=GPU_POOL)
def unsam_model(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    learning: dg.ResourceParam[Learning],
    round1_model: str,
) -> dg.MaterializeResult[str]:
    """The model of round 1, trained on with its own labels (UnSAM's self-training)."""
    with failing_at_once():
        versions = label_versions(home, LABELS, learning.shards or registered(home))
        forced = learning.forced_by(context.run.run_id)
        provenance = training_provenance(
            "unsam_model", CODE_VERSION, LABELS, versions, learning, 2, round1_model, forced
        )
        report = train_stage(home, provenance, learning, 2, context.log.info)
    return dg.MaterializeResult(
        value=report.version,
        data_version=dg.DataVersion(report.version),
        metadata=metadata.of_training(home, report, provenance, learning.settings),
    )
