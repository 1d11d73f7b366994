"""A classifier of the tags, whose activations will say where the classes are."""

import dagster as dg

from assets.class_metadata import of_classifier, of_tags
from assets.failures import failing_at_once
from assets.partitions import CLASSES, GPU_POOL
from ops.sepl.class_settings import ClassRequest
from ops.sepl.tag_stage import counts_of, open_tags, tags_of_shards
from stores.home import Home
from stores.manifests import registered

CODE_VERSION = "1"


@dg.asset(deps=["shard_manifest"], group_name=CLASSES, code_version=CODE_VERSION, kinds={"pytorch"}, pool=GPU_POOL)
def image_classifier(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    classes: dg.ResourceParam[ClassRequest],
    image_tags: str,
) -> dg.MaterializeResult[str]:
    """Multi-label classifier trained on the tagged photos of the chosen shards; mAP on those that are held out."""
    from ops.sepl.classifier_stage import classifier_provenance, train_classifier

    with failing_at_once():
        tags, shards = open_tags(home, image_tags), classes.shards or tuple(registered(home))
        matched = tags_of_shards(home, tags, shards)
        forced = classes.forced_by(context.run.run_id)
        provenance = classifier_provenance(home, CODE_VERSION, image_tags, shards, classes.settings, forced)
        report = train_classifier(home, provenance, classes.settings, context.log.info)
    return dg.MaterializeResult(
        value=report.version,
        data_version=dg.DataVersion(report.version),
        metadata=of_classifier(report, provenance) | of_tags(counts_of(tags, matched), tags.classes),
    )
