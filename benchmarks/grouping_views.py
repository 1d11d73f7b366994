"""What a grouping model's masks owe to learning, to several views of a photo, and to their vote.

python -m benchmarks.grouping_views DATASET MODEL [--file REGISTER] [--limit 20]

MODEL is a safetensors file. Prints recall with its standard errors, what it is beyond that of the first row on the same
photos, and the seconds a photo takes on one thread: of the model as it predicts by default; of its first view alone;
with outlines that are not put to the vote; with votes that are not blurred; with all views counting alike in the
agreement; with scores in which other views have no say; with masks ranked without regard to those before them, but
near-copies left out; with no smaller regions than the label recipe's least; with small regions that lose nothing by
their size; with a smaller largest view; with the same network before it learned anything, its votes blurred or not; and
with trees that do not heed embeddings. Of a model that has them: each head alone (the oldest is 0), with learned
borders of other weights (0: not heeded) or without a say in the order, and with what people draw not heeded.
"""

from __future__ import annotations

import argparse
import time
from copy import deepcopy
from pathlib import Path

import torch
from torch import nn

from benchmarks.machine import describe_machine
from benchmarks.recall_beside import report
from models.grouping import GroupingHead, GroupingModel, build_grouping, load_grouping
from ops.datasets import load_datasets, pick
from ops.ground_truth import GroundTruth, ImageId
from ops.grouping.predict import grouped_masks
from ops.grouping.settings import GroupingPrediction
from ops.settings import PixelTreeSettings
from stores.images import decode_image
from stores.masks import MaskSet

_BORDER_WEIGHTS = (0.0, 2.0, 4.0, 8.0)
_LEAST_OF_LABELS = PixelTreeSettings().smallest
_PLAIN_VOTE = {"blur": 0.0, "majority": 0.5}
_PLAIN_ORDER = {"crowding": 0.0, "repetition": 0.0, "largest_overlap": 0.8}


def variants(model: GroupingModel) -> dict[str, tuple[GroupingModel, GroupingPrediction]]:
    """Model and settings of each row."""
    default = GroupingPrediction()
    smaller = (*default.views[:-1], default.views[-1].model_copy(update={"side": 896}))
    torch.manual_seed(0)
    untaught = build_grouping(model.shape).eval()
    rows = {
        "four views": (model, default),
        "one view": (model, default.model_copy(update={"views": default.views[:1]})),
        "outlines of the best view": (model, default.model_copy(update={"least_vote": 1.0})),
        "votes not blurred": (model, default.model_copy(update=_PLAIN_VOTE)),
        "all views count alike": (model, default.model_copy(update={"agreement_decay": 1.0})),
        "scores of one view alone": (model, default.model_copy(update={"shared_score": 0.0})),
        "what is new in a mask not heeded": (model, default.model_copy(update=_PLAIN_ORDER)),
        "no smaller regions than labels have": (model, _in_all_views(default, smallest=_LEAST_OF_LABELS)),
        "small regions lose nothing": (model, _in_all_views(default, smallness=0.0)),
        "largest view of 896 pixels": (model, default.model_copy(update={"views": smaller})),
        "before learning, votes not blurred": (untaught, default.model_copy(update=_PLAIN_VOTE)),
        "before learning": (untaught, default),
        "embeddings not heeded": (model, _in_all_views(default, feature_weight=0.0)),
    }
    if model.elders:
        heads = [*model.elders, model]
        rows |= {f"head {number} alone": (_alone(model, head), default) for number, head in enumerate(heads)}
    if model.borders is not None:
        for weight in _BORDER_WEIGHTS:
            rows[f"borders of weight {weight:g}"] = model, _in_all_views(default, border_weight=weight)
        rows["borders without a say in the order"] = model, _in_all_views(default, border_score=0.0)
    if model.quality is not None:
        rows["what people draw not heeded"] = model, default.model_copy(update={"quality_weight": 0.0})
    return rows


def _in_all_views(settings: GroupingPrediction, **changes: float) -> GroupingPrediction:
    return settings.model_copy(update={"views": tuple(view.model_copy(update=changes) for view in settings.views)})


def _alone(model: GroupingModel, head: GroupingHead) -> GroupingModel:
    """The model with one of its heads only."""
    alone = deepcopy(model)
    alone.load_state_dict(head.state_dict(), strict=False)
    alone.elders = nn.ModuleList()
    return alone


def predicted(
    model: GroupingModel, settings: GroupingPrediction, truth: GroundTruth
) -> tuple[dict[ImageId, MaskSet], float]:
    """Masks of every photo, and the seconds that one takes."""
    begun = time.perf_counter()
    photos = {image.image_id: decode_image(image.path.read_bytes()) for image in truth.images}
    masks = {image_id: grouped_masks(photo, model, settings) for image_id, photo in photos.items()}
    return masks, (time.perf_counter() - begun) / len(photos)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", help="of the register")
    parser.add_argument("model", type=Path)
    parser.add_argument("--file", default="", help="register of datasets")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--only", action="append", help="only rows of these names")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    (dataset,) = pick(load_datasets(arguments.file), [arguments.dataset])
    truth = dataset.load(arguments.limit)
    print(f"{describe_machine()}; {dataset.name}, {len(truth.images)} photos, {arguments.model.name}")
    first = None
    for name, (model, settings) in variants(load_grouping(arguments.model)).items():
        if not arguments.only or name in arguments.only:
            masks, seconds = predicted(model, settings, truth)
            found = report(f"{name}, {seconds:.1f} s a photo", masks, truth, first)
            first = first or found


if __name__ == "__main__":
    main()
