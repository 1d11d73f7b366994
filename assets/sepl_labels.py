"""Pseudo-labels repaired with class-agnostic masks."""

import dagster as dg

from assets import metadata
from assets.class_metadata import of_sepl
from assets.failures import failing_at_once
from assets.partitions import CLASSES, RETRY, SHARDS
from ops.fanout import Fanout
from ops.sepl.class_settings import ClassRequest
from ops.sepl.tag_stage import open_tags
from stores.home import Home
from stores.label_map_store import open_labels
from stores.manifests import source_of

CODE_VERSION = "1"


@dg.asset(
    partitions_def=SHARDS,
    deps=["hierarchical_masks"],
    group_name=CLASSES,
    code_version=CODE_VERSION,
    kinds={"zarr"},
    retry_policy=RETRY,
)
def sepl_labels(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    classes: dg.ResourceParam[ClassRequest],
    fanout: dg.ResourceParam[Fanout],
    cam_labels: str,
) -> dg.MaterializeResult[str]:
    """Class of each pixel after SEPL: masks are given to classes, and those that fit replace what was activated."""
    from ops.sepl.label_stages import sepl_provenance, sepl_shard

    shard, settings = context.partition_key, classes.settings
    forced = classes.forced_by(context.run.run_id)
    cams = open_labels(home, "cam_labels", shard, cam_labels)
    with failing_at_once():
        tags = home.versions_of("cam_labels", shard).provenance(cam_labels)["inputs"]["image_tags"]
        provenance = sepl_provenance(home, CODE_VERSION, shard, cam_labels, settings, forced)
        labels = len(open_tags(home, tags).labels)
        report = sepl_shard(home, provenance, shard, labels, settings, fanout, context.log.info)
    repaired = open_labels(home, "sepl_labels", shard, report.version)
    return dg.MaterializeResult(
        value=report.version,
        data_version=dg.DataVersion(report.version),
        metadata=of_sepl(repaired, cams, source_of(home, shard), settings.limits)
        | metadata.of_stage(report, provenance),
    )
