"""Pseudo-labels of pixels from tags: activations of the classifier, refined."""

import dagster as dg

from assets import metadata
from assets.class_metadata import of_cams
from assets.failures import failing_at_once
from assets.partitions import CLASSES, GPU_POOL, RETRY, SHARDS
from ops.fanout import Fanout
from ops.model_files import model_location
from ops.sepl.class_settings import ClassRequest
from ops.sepl.tag_stage import open_tags
from stores.home import Home
from stores.label_map_store import open_labels
from stores.manifests import open_manifest, source_of

CODE_VERSION = "2"


@dg.asset(
    partitions_def=SHARDS,
    group_name=CLASSES,
    code_version=CODE_VERSION,
    kinds={"pytorch", "zarr"},
    pool=GPU_POOL,
    retry_policy=RETRY,
)
def cam_labels(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    classes: dg.ResourceParam[ClassRequest],
    fanout: dg.ResourceParam[Fanout],
    shard_manifest: str,
    image_tags: str,
    image_classifier: str,
) -> dg.MaterializeResult[str]:
    """Class of each pixel of a shard's tagged photos, from class activation maps, a random walk and a CRF."""
    from ops.sepl.label_stages import cam_provenance, cam_shard

    shard, settings = context.partition_key, classes.settings
    forced = classes.forced_by(context.run.run_id)
    with failing_at_once():
        source = source_of(home, shard)
        tags = open_tags(home, image_tags).matched(open_manifest(home, shard, shard_manifest).keys)
        provenance = cam_provenance(CODE_VERSION, shard_manifest, image_tags, image_classifier, settings, forced)
        model = model_location(home, "image_classifier", image_classifier)
        report = cam_shard(home, provenance, source, tags.of_key, model, settings, fanout, context.log.info)
    labels = open_labels(home, "cam_labels", shard, report.version)
    return dg.MaterializeResult(
        value=report.version,
        data_version=dg.DataVersion(report.version),
        metadata=of_cams(labels, tags, source, settings.limits) | metadata.of_stage(report, provenance),
    )
