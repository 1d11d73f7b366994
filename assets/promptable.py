"""The promptable models, and what the first finds by itself."""

import dagster as dg

from assets import metadata
from assets.failures import failing_at_once
from assets.hierarchical_masks import hierarchical_masks
from assets.partitions import GPU_POOL, PROMPTABLE, RETRY, SHARDS
from assets.plus_labels import plus_labels
from assets.promptable_metadata import of_promptable
from ops.fanout import Fanout
from ops.label_shards import label_versions
from ops.mask_stages import hierarchy_sheet
from ops.model_files import model_location
from ops.promptable.request import Prompting
from stores.home import Home
from stores.manifests import open_manifest, registered, source_of
from stores.mask_store import open_masks

CODE_VERSION = "3"


@dg.asset(deps=[hierarchical_masks], group_name=PROMPTABLE, code_version=CODE_VERSION, kinds={"pytorch"}, pool=GPU_POOL)
def promptable_model(
    context: dg.AssetExecutionContext, home: dg.ResourceParam[Home], prompting: dg.ResourceParam[Prompting]
) -> dg.MaterializeResult[str]:
    """Masks for clicks, boxes and a granularity, learned from masks that nobody drew (promptable UnSAM)."""
    return _trained(context, home, prompting, "promptable_model", prompting.labels)


@dg.asset(deps=[plus_labels], group_name=PROMPTABLE, code_version=CODE_VERSION, kinds={"pytorch"}, pool=GPU_POOL)
def promptable_plus_model(
    context: dg.AssetExecutionContext, home: dg.ResourceParam[Home], prompting: dg.ResourceParam[Prompting]
) -> dg.MaterializeResult[str]:
    """The same model, learned from the human masks of a few images too (promptable UnSAM+)."""
    return _trained(context, home, prompting, "promptable_plus_model", "plus_labels")


@dg.asset(
    partitions_def=SHARDS,
    group_name=PROMPTABLE,
    code_version=CODE_VERSION,
    kinds={"pytorch", "zarr"},
    pool=GPU_POOL,
    retry_policy=RETRY,
)
def auto_masks(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    prompting: dg.ResourceParam[Prompting],
    fanout: dg.ResourceParam[Fanout],
    shard_manifest: str,
    promptable_model: str,
) -> dg.MaterializeResult[str]:
    """Masks of a shard by a grid of clicks: what the promptable model is sure of, each image's as one tree."""
    from ops.automatic.stage import auto_provenance, auto_shard

    shard, settings = context.partition_key, prompting.settings
    source, keys = source_of(home, shard), open_manifest(home, shard, shard_manifest).keys
    forced = prompting.forced_by(context.run.run_id)
    provenance = auto_provenance(CODE_VERSION, shard_manifest, promptable_model, settings.generator, forced)
    place = model_location(home, "promptable_model", promptable_model)
    limits = settings.training.limits
    report = auto_shard(home, provenance, source, keys, place, settings.generator, limits, fanout, context.log.info)
    masks = open_masks(home, "auto_masks", shard, report.version)
    return dg.MaterializeResult(
        value=report.version,
        data_version=dg.DataVersion(report.version),
        metadata=metadata.picture(hierarchy_sheet(source, masks, limits), "photos, coarse masks and fine masks")
        | metadata.of_masks(masks)
        | metadata.of_stage(report, provenance),
    )


def _trained(
    context: dg.AssetExecutionContext, home: Home, prompting: Prompting, asset: str, labels: str
) -> dg.MaterializeResult[str]:
    from ops.promptable.stage import promptable_provenance, train_promptable

    with failing_at_once():
        versions = label_versions(home, labels, prompting.shards or registered(home))
        forced = prompting.forced_by(context.run.run_id)
        provenance = promptable_provenance(home, asset, CODE_VERSION, labels, versions, prompting, forced)
        report = train_promptable(home, provenance, prompting, context.log.info)
    return dg.MaterializeResult(
        value=report.version,
        data_version=dg.DataVersion(report.version),
        metadata=of_promptable(home, report, provenance, prompting.settings.training),
    )
