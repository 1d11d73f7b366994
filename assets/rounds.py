"""What the assets of both rounds have in common: training on labels, and predicting a shard."""

from collections.abc import Mapping

import dagster as dg

from assets import metadata
from assets.failures import failing_at_once
from ops.fanout import Fanout
from ops.label_shards import label_versions
from ops.learning import Learning
from ops.mask_stages import hierarchy_sheet
from ops.model_files import model_location
from stores.home import Home
from stores.manifests import open_manifest, registered, source_of
from stores.mask_store import open_masks


def trained_model(
    context: dg.AssetExecutionContext,
    home: Home,
    learning: Learning,
    asset: str,
    code_version: str,
    labels: str,
    initial: Mapping[str, str] | None = None,
) -> dg.MaterializeResult[str]:
    """A model trained on the asset `labels`, from the model `initial` (version by asset) or from the backbone."""
    from ops.training_stage import train_stage, training_provenance

    with failing_at_once():
        versions = label_versions(home, labels, learning.shards or registered(home))
        forced = learning.forced_by(context.run.run_id)
        provenance = training_provenance(asset, code_version, labels, versions, learning, initial, forced)
        report = train_stage(home, provenance, learning, context.log.info)
    return dg.MaterializeResult(
        value=report.version,
        data_version=dg.DataVersion(report.version),
        metadata=metadata.of_training(home, report, provenance, learning.settings),
    )


def predicted_masks(
    context: dg.AssetExecutionContext,
    home: Home,
    learning: Learning,
    fanout: Fanout,
    asset: str,
    code_version: str,
    manifest: str,
    model: str,
) -> dg.MaterializeResult[str]:
    """What the version `model` of the asset's own model finds in the shard of the run."""
    from ops.model_stages import MODEL_OF, predict_shard, prediction_provenance

    shard, settings = context.partition_key, learning.settings
    source, keys = source_of(home, shard), open_manifest(home, shard, manifest).keys
    forced = learning.forced_by(context.run.run_id)
    provenance = prediction_provenance(code_version, asset, manifest, model, settings, forced)
    place = model_location(home, MODEL_OF[asset], model)
    report = predict_shard(home, asset, provenance, source, keys, place, settings, fanout, context.log.info)
    masks = open_masks(home, asset, shard, report.version)
    sheet = hierarchy_sheet(source, masks, settings.limits)
    return dg.MaterializeResult(
        value=report.version,
        data_version=dg.DataVersion(report.version),
        metadata=metadata.picture(sheet, "photos, coarse masks and fine masks")
        | metadata.of_masks(masks)
        | metadata.of_stage(report, provenance),
    )
