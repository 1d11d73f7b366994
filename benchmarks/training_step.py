"""One training step of the preset `small`: ours against transformers' own model and loss, same weights, same batch.

Bar: at least 1.3 times the images a second on the CPU, and the same loss to 1e-4 (relative) on the same points.
Queries are learned on both sides, since transformers has no others, and the same stages of the backbone are frozen.
Both sides run in float32 and include the optimiser. A third side is ours in bfloat16, as the preset trains where the
processor has it. Run: python -m benchmarks.training_step [--threads N]
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import replace
from functools import partial

import torch
from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, TimmBackboneConfig

from benchmarks.machine import alternate, describe_machine, median_ratio
from benchmarks.training_samples import SuperpixelSource
from models.whole_image import WholeImageModel, build_whole_image, mask2former_config
from ops.mask_loader import Batch, MaskLoader
from ops.mask_losses import PointSampler, mask_set_losses, target_count
from ops.training_settings import TRAINING_PRESETS, LossSettings, TrainingSettings
from tests.ops.stock_points import StockPoints

BAR = 1.3
SAME_LOSS = 1e-4
_RENAMED = {
    "pyramid.body.": "model.pixel_level_module.encoder._backbone.",
    "pixel_decoder.": "model.pixel_level_module.decoder.",
    "query_decoder.": "model.transformer_module.",
    "class_predictor.": "class_predictor.",
}


def stock_model(ours: WholeImageModel, loss: LossSettings) -> Mask2FormerForUniversalSegmentation:
    """Unmodified Mask2Former on a timm ResNet-50 with the weights of `ours`."""
    settings = mask2former_config(ours.shape).to_dict()
    settings["backbone_config"] = TimmBackboneConfig(
        backbone="resnet50", out_indices=[1, 2, 3, 4], freeze_batch_norm_2d=True
    )
    config = Mask2FormerConfig(**settings | {"train_num_points": loss.points})
    config.num_labels = 1
    model = Mask2FormerForUniversalSegmentation(config)
    weights = {}
    for name, value in ours.state_dict().items():
        prefix = next(prefix for prefix in _RENAMED if name.startswith(prefix))
        weights[_RENAMED[prefix] + name.removeprefix(prefix)] = value.clone()
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected, unexpected
    assert set(missing) <= {"criterion.empty_weight"}, missing
    frozen = {name for name, value in ours.named_parameters() if not value.requires_grad}
    for name, value in model.named_parameters():
        value.requires_grad_(_ours(name) not in frozen)
    return model.train()


def _ours(name: str) -> str:
    """What a parameter of the stock model is called in ours."""
    prefix = next(prefix for prefix in _RENAMED.values() if name.startswith(prefix))
    return next(ours for ours, stock in _RENAMED.items() if stock == prefix) + name.removeprefix(prefix)


def our_loss(
    model: WholeImageModel, batch: Batch, loss: LossSettings, sampler: PointSampler, half: bool = False
) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        outputs = model(batch.pixels)
    return mask_set_losses(outputs, batch.targets, loss, sampler, target_count(batch.targets)).total


def stock_loss(model: Mask2FormerForUniversalSegmentation, batch: Batch) -> torch.Tensor:
    """What transformers asks for: dense float masks."""
    masks = list(batch.targets.dense().split(batch.targets.counts))
    classes = [torch.zeros(len(part), dtype=torch.long) for part in masks]
    return model(batch.pixels, mask_labels=masks, class_labels=classes).loss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--points", type=int, help="instead of the preset's")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    settings = TRAINING_PRESETS["small"]
    loss = settings.loss.model_copy(update={"points": arguments.points or settings.loss.points})
    torch.manual_seed(0)
    ours = build_whole_image(replace(settings.model, seed_stride=0)).train()
    stock = stock_model(ours, loss)
    batch = next(MaskLoader(SuperpixelSource(), settings.loader, settings.batch, 0).batches())
    print(describe_machine())
    print(f"preset small: {settings.batch} images, masks {batch.targets.counts}, {loss.points} points")
    _compare_losses(ours, stock, batch, loss)
    _compare_times(ours, stock, batch, loss, settings, arguments.rounds)


def _compare_losses(
    ours: WholeImageModel, stock: Mask2FormerForUniversalSegmentation, batch: Batch, loss: LossSettings
) -> None:
    outputs = ours.shape.decoder_layers + 1
    pairs = [min(ours.shape.queries, count) for count in batch.targets.counts]
    with torch.no_grad():
        torch.manual_seed(5)
        theirs = float(stock_loss(stock, batch))
        mine = float(our_loss(ours, batch, loss, StockPoints(loss, outputs, pairs, 5)))
    difference = abs(mine - theirs) / theirs
    print(
        f"loss on the same points: {mine:.5f} and {theirs:.5f}, relative difference {difference:.1e} (bar {SAME_LOSS})"
    )


def _compare_times(
    ours: WholeImageModel,
    stock: Mask2FormerForUniversalSegmentation,
    batch: Batch,
    loss: LossSettings,
    settings: TrainingSettings,
    rounds: int,
) -> None:
    sampler = PointSampler(loss, torch.Generator().manual_seed(0))
    sides = {
        "ours": (ours, lambda: our_loss(ours, batch, loss, sampler)),
        "transformers": (stock, lambda: stock_loss(stock, batch)),
        "ours in bfloat16": (ours, lambda: our_loss(ours, batch, loss, sampler, half=True)),
    }
    trained = {id(model): [p for p in model.parameters() if p.requires_grad] for model, _ in sides.values()}
    optimisers = {key: torch.optim.AdamW(parameters, lr=1e-6) for key, parameters in trained.items()}

    def step(name: str) -> None:
        model, compute = sides[name]
        optimiser = optimisers[id(model)]
        optimiser.zero_grad()
        compute().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.optimiser.clip)
        optimiser.step()

    steps = [partial(step, name) for name in sides]
    alternate(*steps, rounds=1)
    seconds = dict(zip(sides, alternate(*steps, rounds=rounds), strict=True))
    for name, times in seconds.items():
        ratio = median_ratio(seconds["transformers"], times)
        print(f"{name}: {settings.batch / statistics.median(times):.2f} images/s, ratio {ratio:.2f} (bar {BAR})")


if __name__ == "__main__":
    main()
