"""Human masks of the chosen share of a shard's images, from the SA-1B JSON beside them."""

import dagster as dg

from assets import metadata
from assets.partitions import PLUS, RETRY, SHARDS
from ops.fanout import Fanout
from ops.learning import Learning
from ops.mask_stages import hierarchy_sheet
from ops.presets import Labelling
from stores.home import Home
from stores.manifests import open_manifest, source_of
from stores.mask_store import open_masks

CODE_VERSION = "1"


@dg.asset(partitions_def=SHARDS, group_name=PLUS, code_version=CODE_VERSION, kinds={"zarr"}, retry_policy=RETRY)
def sa1b_masks(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    labelling: dg.ResourceParam[Labelling],
    learning: dg.ResourceParam[Learning],
    fanout: dg.ResourceParam[Fanout],
    shard_manifest: str,
) -> dg.MaterializeResult[str]:
    """Human masks where an image has a JSON and is among the chosen share; a broken JSON is quarantined."""
    from ops.human_masks import annotated_images, human_provenance, human_shard

    shard, fraction = context.partition_key, learning.settings.plus.fraction
    source, manifest = source_of(home, shard), open_manifest(home, shard, shard_manifest)
    images = annotated_images(source, manifest.keys, fraction)
    provenance = human_provenance(CODE_VERSION, shard_manifest, images, fraction)
    report = human_shard(home, provenance, source, manifest, images, fanout, context.log.info)
    masks = open_masks(home, "sa1b_masks", shard, report.version)
    return dg.MaterializeResult(
        value=report.version,
        data_version=dg.DataVersion(report.version),
        metadata=metadata.picture(hierarchy_sheet(source, masks, labelling.settings.limits), "photos and human masks")
        | metadata.of_masks(masks)
        | metadata.of_stage(report, provenance)
        | {"images_of_the_shard": len(manifest.keys)},
    )
