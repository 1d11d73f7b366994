"""A segmentation network that learns from the repaired pseudo-labels."""

import dagster as dg

from assets.class_metadata import of_semantic
from assets.failures import failing_at_once
from assets.partitions import CLASSES, GPU_POOL
from assets.sepl_labels import sepl_labels
from ops.label_shards import label_versions
from ops.sepl.class_settings import ClassRequest
from stores.home import Home
from stores.manifests import registered

CODE_VERSION = "1"


@dg.asset(deps=[sepl_labels], group_name=CLASSES, code_version=CODE_VERSION, kinds={"pytorch"}, pool=GPU_POOL)
def semantic_model(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    classes: dg.ResourceParam[ClassRequest],
    image_tags: str,
) -> dg.MaterializeResult[str]:
    """Semantic segmentation trained on label maps that nobody drew; names the exact shard versions."""
    from ops.sepl.semantic_stage import LABELS, semantic_provenance, train_semantic

    with failing_at_once():
        versions = label_versions(home, LABELS, classes.shards or registered(home))
        forced = classes.forced_by(context.run.run_id)
        provenance = semantic_provenance(CODE_VERSION, image_tags, versions, classes.settings, forced)
        report = train_semantic(home, provenance, classes.settings, context.log.info)
    return dg.MaterializeResult(
        value=report.version,
        data_version=dg.DataVersion(report.version),
        metadata=of_semantic(report, provenance),
    )
