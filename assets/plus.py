"""What the label assets with human masks have in common."""

import dagster as dg

from assets import metadata
from assets.failures import failing_at_once
from assets.rounds import trained_model
from ops.fanout import Fanout
from ops.label_shards import current_labels
from ops.learning import UNSUPERVISED, Learning
from ops.plus_pictures import origin_sheet
from stores.home import Home
from stores.manifests import open_manifest, source_of
from stores.mask_store import open_masks

SOURCES = list(UNSUPERVISED.values())


def plus_model(
    context: dg.AssetExecutionContext, home: Home, learning: Learning, asset: str, code_version: str, labels: str
) -> dg.MaterializeResult[str]:
    """A model of labels with human and other masks, from what `plus.initial` says."""
    from ops.plus_stage import starting_model

    with failing_at_once():
        initial = starting_model(home, learning.settings.plus.initial)
    return trained_model(context, home, learning, asset, code_version, labels, initial)


def united_labels(
    context: dg.AssetExecutionContext,
    home: Home,
    learning: Learning,
    fanout: Fanout,
    asset: str,
    code_version: str,
    manifest: str,
    human: str,
    tau: float | None,
) -> dg.MaterializeResult[str]:
    """Human masks (the version `human` of `sa1b_masks`) and those of `plus.source`, merged by the rule of UnSAM+."""
    from ops.plus_stage import PlusInputs, plus_provenance, plus_shard

    shard, settings = context.partition_key, learning.settings
    unsupervised_asset = UNSUPERVISED[settings.plus.source]
    with failing_at_once():
        unsupervised = current_labels(home, unsupervised_asset, shard)
    inputs = PlusInputs(open_masks(home, "sa1b_masks", shard, human), unsupervised, unsupervised_asset)
    provenance = plus_provenance(asset, code_version, inputs, tau, learning.forced_by(context.run.run_id))
    keys = open_manifest(home, shard, manifest).keys
    report = plus_shard(home, provenance, shard, keys, inputs, fanout, context.log.info)
    masks = open_masks(home, asset, shard, report.version)
    sheet = origin_sheet(source_of(home, shard), masks, inputs.human.keys, settings.limits)
    return dg.MaterializeResult(
        value=report.version,
        data_version=dg.DataVersion(report.version),
        metadata=metadata.picture(sheet, "human masks in blue, added ones in orange")
        | metadata.of_masks(masks)
        | metadata.by_source(masks)
        | metadata.of_union(inputs, masks)
        | metadata.of_stage(report, provenance),
    )
