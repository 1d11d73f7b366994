"""What the segmentation network says of a shard's photos, tagged or not."""

import dagster as dg

from assets import metadata
from assets.class_metadata import of_predictions
from assets.failures import failing_at_once
from assets.partitions import CLASSES, GPU_POOL, RETRY, SHARDS
from ops.fanout import Fanout
from ops.model_files import model_location
from ops.sepl.class_settings import ClassRequest
from stores.home import Home
from stores.label_map_store import open_labels
from stores.manifests import open_manifest, source_of

CODE_VERSION = "1"


@dg.asset(
    partitions_def=SHARDS,
    group_name=CLASSES,
    code_version=CODE_VERSION,
    kinds={"pytorch", "zarr"},
    pool=GPU_POOL,
    retry_policy=RETRY,
)
def semantic_labels(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    classes: dg.ResourceParam[ClassRequest],
    fanout: dg.ResourceParam[Fanout],
    shard_manifest: str,
    semantic_model: str,
) -> dg.MaterializeResult[str]:
    """Class of each pixel of a shard's photos by the trained segmentation network; needs no tags."""
    from ops.sepl.label_stages import predict_labels, prediction_provenance

    shard, settings = context.partition_key, classes.settings
    source, keys = source_of(home, shard), open_manifest(home, shard, shard_manifest).keys
    forced = classes.forced_by(context.run.run_id)
    provenance = prediction_provenance(CODE_VERSION, shard_manifest, semantic_model, settings, forced)
    model = model_location(home, "semantic_model", semantic_model)
    with failing_at_once():
        report = predict_labels(home, provenance, source, keys, model, settings, fanout, context.log.info)
    labels = open_labels(home, "semantic_labels", shard, report.version)
    return dg.MaterializeResult(
        value=report.version,
        data_version=dg.DataVersion(report.version),
        metadata=of_predictions(labels, source, settings.limits) | metadata.of_stage(report, provenance),
    )
