"""The first round: a model that learns from the labels of the chosen shards."""

import dagster as dg

from assets import metadata
from assets.failures import failing_at_once
from assets.hierarchical_masks import hierarchical_masks
from assets.partitions import GPU_POOL, ROUNDS
from ops.label_shards import label_versions
from ops.learning import Learning
from ops.training_stage import train_stage, training_provenance
from stores.home import Home
from stores.manifests import registered

CODE_VERSION = "1"
LABELS = "hierarchical_masks"


@dg.asset(deps=[hierarchical_masks], group_name=ROUNDS, code_version=CODE_VERSION, kinds={"pytorch"}, pool=GPU_POOL)
def round1_model(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    learning: dg.ResourceParam[Learning],
) -> dg.MaterializeResult[str]:
    """Class-agnostic Mask2Former trained on the masks that nobody drew; names the exact shard versions."""
    with failing_at_once():
        versions = label_versions(home, LABELS, learning.shards or registered(home))
        forced = learning.forced_by(context.run.run_id)
        provenance = training_provenance("round1_model", CODE_VERSION, LABELS, versions, learning, 1, None, forced)
        report = train_stage(home, provenance, learning, 1, context.log.info)
    return dg.MaterializeResult(
        value=report.version,
        data_version=dg.DataVersion(report.version),
        metadata=metadata.of_training(home, report, provenance, learning.settings),
    )
