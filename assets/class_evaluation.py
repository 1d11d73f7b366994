"""Label maps of every stage from tags to class masks, scored against true ones."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from assets.failures import failing_at_once
from assets.partitions import CLASS_EVALUATION
from ops.confusion import MismatchedLabels
from ops.evaluation_history import HistoryEntry, SourceEntry, history, remember
from ops.sample_photos import credit_of
from ops.sepl.evaluation_request import ClassEvaluationRequest
from ops.sepl.tag_stage import open_tags
from ops.settings import LimitSettings
from stores.home import Home
from stores.location import Location
from stores.manifests import registered
from stores.versions import version_of

if TYPE_CHECKING:
    from ops.sepl.evaluation import ClassEvaluation

CODE_VERSION = "1"


@dg.asset(
    deps=["image_tags", "cam_labels", "sepl_labels", "semantic_labels"],
    group_name=CLASS_EVALUATION,
    code_version=CODE_VERSION,
    kinds={"json"},
)
def class_evaluation(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    class_evaluating: dg.ResourceParam[ClassEvaluationRequest],
) -> dg.MaterializeResult:
    """Mean IoU of activations, refined labels, each SEPL preset with each source of masks, and the network."""
    from assets.class_evaluation_metadata import of_class_evaluation
    from ops.sepl.evaluation import evaluate_shards, open_truth
    from ops.sepl.page import write_page
    from ops.sepl.panels import Panels

    request = class_evaluating
    with failing_at_once():
        if not request.truth:
            raise MismatchedLabels("name true labels: class_evaluating.truth, COCO annotations or a folder of PNGs")
        labels = open_tags(home).labels
        truth = open_truth(Location(request.truth), labels)
        shards = request.shards or tuple(registered(home))
        result = evaluate_shards(home, shards, truth, labels, request.masks, request.most_masks, request.shown)
    panels = Panels(home, labels, request.masks[0], request.most_masks, LimitSettings(), truth)
    if request.page:
        credits = {image.key: credit_of(image.key) or "" for image in result.images}
        write_page(Path(request.page), result, panels, credits)
    entry = _entry(result, request.truth, context.run.run_id)
    remember(home, entry)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version_of({"truth": request.truth, "versions": result.versions})),
        metadata=of_class_evaluation(result, panels, history(home, entry.dataset)),
    )


def _entry(result: "ClassEvaluation", truth: str, run: str) -> HistoryEntry:
    """Evaluations on other true labels have another history."""
    sources = {
        stage: SourceEntry(numbers={"mIoU": value}, made_by=stage, versions=result.versions[stage])
        for stage, value in result.mean_ious().items()
    }
    name = f"classes-{version_of({'truth': truth})}"
    return HistoryEntry(time=datetime.now(UTC), run=run, dataset=name, images=len(result.images), sources=sources)
