"""SAM's data engine, a shard a partition: proposals for people, their corrections, labels for the next round."""

from typing import TYPE_CHECKING

import dagster as dg

from assets.failures import failing_at_once
from assets.partitions import DATA_ENGINE, SHARDS
from assets.promptable import auto_masks
from ops.data_engine.settings import Engine
from stores.home import Home

if TYPE_CHECKING:
    from ops.data_engine.stage import EngineReport

CODE_VERSION = "1"


@dg.asset(
    deps=[auto_masks], partitions_def=SHARDS, group_name=DATA_ENGINE, code_version=CODE_VERSION, kinds={"zarr", "json"}
)
def proposals(
    context: dg.AssetExecutionContext, home: dg.ResourceParam[Home], engine: dg.ResourceParam[Engine]
) -> dg.MaterializeResult[str]:
    """What people are shown: a COCO file with scores, and the images in the order of what people can add."""
    from ops.data_engine.stage import propose

    with failing_at_once():
        report = propose(home, CODE_VERSION, context.partition_key, engine.settings)
    return _result(report)


@dg.asset(partitions_def=SHARDS, group_name=DATA_ENGINE, code_version=CODE_VERSION, kinds={"zarr"})
def corrected_masks(
    context: dg.AssetExecutionContext, home: dg.ResourceParam[Home], engine: dg.ResourceParam[Engine], proposals: str
) -> dg.MaterializeResult[str]:
    """What people made of the proposals: how many masks they kept, changed, added and deleted."""
    from ops.data_engine.stage import take_corrections

    with failing_at_once():
        report = take_corrections(home, CODE_VERSION, context.partition_key, proposals, engine)
    return _result(report)


@dg.asset(
    deps=[corrected_masks], partitions_def=SHARDS, group_name=DATA_ENGINE, code_version=CODE_VERSION, kinds={"zarr"}
)
def engine_labels(
    context: dg.AssetExecutionContext, home: dg.ResourceParam[Home], engine: dg.ResourceParam[Engine], proposals: str
) -> dg.MaterializeResult[str]:
    """Labels of the next round (`prompting: labels: engine_labels`): people's masks, and sure ones of the model."""
    from ops.data_engine.stage import label

    with failing_at_once():
        report = label(home, CODE_VERSION, context.partition_key, proposals, engine.settings)
    return _result(report)


def _result(report: "EngineReport") -> dg.MaterializeResult[str]:
    from ops.data_engine.stage import as_metadata

    return dg.MaterializeResult(
        value=report.version, data_version=dg.DataVersion(report.version), metadata=as_metadata(report)
    )
