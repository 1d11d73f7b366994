"""What a trained model finds when its input has another side than the one it is used at.

python -m benchmarks.input_sides MODEL DATASET --sides 256 320 384 [--file REGISTER] [--limit 20]

MODEL is a promptable or a whole-image model (safetensors). A promptable one prints the mean IoU of one click (oracle of
its candidates, best score) and of boxes, for at most twelve human masks a photo; a whole-image one AR@100 and AR@1000
at each short side. No bar: it is for choosing `training.use_scale` and `prediction.short_side`, on photos that are not
scored later.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks.machine import describe_machine
from models.promptable import PromptableModel, for_inputs_of, load_promptable
from models.weights import WeightsUnavailable
from models.whole_image import WholeImageModel, load_whole_image
from ops.datasets import Dataset, load_datasets, pick
from ops.evaluation import Numbers, evaluate
from ops.ground_truth import GroundTruth, ImageId
from ops.predict import predict
from ops.prompt_evaluation.settings import PromptEvaluationSettings
from ops.prompt_evaluation.stage import score_model
from ops.prompt_evaluation.texts import TextEvaluation
from ops.training_settings import PREDICTION_PRESETS
from stores.images import decode_image
from stores.masks import MaskSet

SHOWN = ("oracle", "best_score", "single", "box", "size_order", "AR@100", "AR@1000")


def by_side(
    model: PromptableModel | WholeImageModel, dataset: Dataset, truth: GroundTruth, sides: list[int]
) -> Iterator[tuple[int, Numbers]]:
    """Scores at each side in pixels."""
    for side in sides:
        if isinstance(model, PromptableModel):
            yield side, clicks_and_boxes(for_inputs_of(model, side), dataset, truth)
        else:
            yield side, recall(model, truth, side)


def clicks_and_boxes(model: PromptableModel, dataset: Dataset, truth: GroundTruth) -> Numbers:
    settings = PromptEvaluationSettings(masks_per_image=12, clicks=1, edges=False)
    return score_model(model, dataset, truth, {}, settings, TextEvaluation(settings, truth, model.device), "model")


def recall(model: WholeImageModel, truth: GroundTruth, side: int) -> Numbers:
    return evaluate(predicted(model, truth, side), truth).numbers()


def predicted(model: WholeImageModel, truth: GroundTruth, side: int) -> dict[ImageId, MaskSet]:
    """Masks of every photo, its shorter side scaled to `side` pixels."""
    preset = PREDICTION_PRESETS["small"]
    longest = round(side * preset.long_side / preset.short_side)
    settings = preset.model_copy(update={"short_side": side, "long_side": longest})
    return {
        image.image_id: predict(model, [decode_image(image.path.read_bytes())], settings)[0].masks
        for image in truth.images
    }


def load(path: Path) -> PromptableModel | WholeImageModel:
    try:
        return load_promptable(path)
    except WeightsUnavailable:
        return load_whole_image(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("dataset", help="of the register")
    parser.add_argument("--sides", type=int, nargs="+", required=True)
    parser.add_argument("--file", default="", help="register of datasets")
    parser.add_argument("--limit", type=int)
    arguments = parser.parse_args()
    (dataset,) = pick(load_datasets(arguments.file), [arguments.dataset])
    truth = dataset.load(arguments.limit)
    print(describe_machine())
    for side, numbers in by_side(load(arguments.model), dataset, truth, arguments.sides):
        shown = ", ".join(f"{name} {100 * value:.1f}" for name in SHOWN if (value := numbers.get(name)) is not None)
        print(f"{dataset.name}, {len(truth.images)} photos, {side} pixels: {shown}", flush=True)


if __name__ == "__main__":
    main()
