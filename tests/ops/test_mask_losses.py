"""The losses equal those of transformers on the same points, whichever way they are computed."""

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers.models.mask2former.modeling_mask2former import Mask2FormerLoss, sample_point

from models.query_outputs import QueryOutputs
from models.whole_image import mask2former_config
from models.whole_image_config import WholeImageConfig
from ops.bit_targets import BitTargets, sample, sample_shared
from ops.mask_losses import LossTerms, PointSampler, mask_set_losses, target_count, torch_point_losses
from ops.training_settings import LossSettings
from tests.ops.stock_points import StockPoints

SETTINGS = LossSettings(points=64)


def random_targets(counts: tuple[int, ...], size: tuple[int, int], seed: int = 0) -> BitTargets:
    generator = np.random.default_rng(seed)
    coarse = generator.random((sum(counts), size[0] // 8 + 1, size[1] // 8 + 1)) > 0.5
    masks = np.kron(coarse, np.ones((8, 8), bool))[:, : size[0], : size[1]].astype(bool)
    return BitTargets(torch.from_numpy(np.packbits(masks, axis=2)), counts, size[1])


def random_outputs(images: int, queries: int = 6, layers: int = 3, seed: int = 0) -> QueryOutputs:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).requires_grad_()

    return QueryOutputs(
        [draw(images, queries, 8) for _ in range(layers)],
        [draw(images, queries, 2) for _ in range(layers)],
        draw(images, 8, 10, 13),
    )


def stock_loss(outputs: QueryOutputs, targets: BitTargets, settings: LossSettings) -> torch.Tensor:
    config = mask2former_config(WholeImageConfig(backbone="augnet_resnet50"))
    config.train_num_points = settings.points
    weights = {"loss_cross_entropy": 2.0, "loss_mask": 5.0, "loss_dice": 5.0}
    masks = list(targets.dense().split(targets.counts))
    classes = [torch.zeros(count, dtype=torch.long) for count in targets.counts]
    layers = [
        {"masks_queries_logits": outputs.mask_logits(i), "class_queries_logits": outputs.class_logits[i]}
        for i in range(len(outputs.embeddings))
    ]
    last = layers[-1]
    losses = Mask2FormerLoss(config, weights)(
        last["masks_queries_logits"], last["class_queries_logits"], masks, classes, layers[:-1]
    )
    return sum(value * next(w for key, w in weights.items() if name.startswith(key)) for name, value in losses.items())


def our_loss(outputs: QueryOutputs, targets: BitTargets, settings: LossSettings, seed: int) -> LossTerms:
    pairs = [min(outputs.embeddings[0].shape[1], count) for count in targets.counts]
    points = StockPoints(settings, len(outputs.embeddings), pairs, seed)
    return mask_set_losses(outputs, targets, settings, points, target_count(targets))


@pytest.mark.parametrize(
    "counts",
    [(4,), (3, 5), (0, 2), (9, 1), (6, 6)],
    ids=["one image", "two images", "an image without masks", "more masks than queries", "as many"],
)
def test_loss_and_gradients_equal_those_of_transformers(counts: tuple[int, ...]) -> None:
    targets = random_targets(counts, (40, 52))
    outputs = random_outputs(len(counts))
    leaves = [*outputs.embeddings, *outputs.class_logits, outputs.mask_features]
    torch.manual_seed(7)
    expected = stock_loss(outputs, targets, SETTINGS)
    expected_gradients = torch.autograd.grad(expected, leaves)
    terms = our_loss(outputs, targets, SETTINGS, 7)
    torch.testing.assert_close(terms.total, expected, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(sum(terms.parts.values()), expected.detach(), atol=1e-4, rtol=1e-5)
    for ours, theirs in zip(torch.autograd.grad(terms.total, leaves), expected_gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-3)


def test_no_mask_at_all_leaves_the_class_loss_and_every_gradient() -> None:
    targets, outputs = random_targets((0, 0), (40, 52)), random_outputs(2)
    sampler = PointSampler(SETTINGS, torch.Generator().manual_seed(0))
    terms = mask_set_losses(outputs, targets, SETTINGS, sampler, target_count(targets))
    assert target_count(targets) == 1
    assert terms.parts["mask"] == 0
    terms.total.backward()
    assert all(leaf.grad is not None for leaf in (*outputs.embeddings, outputs.mask_features))
    assert all(leaf.grad.abs().sum() > 0 for leaf in outputs.class_logits)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_mask_that_is_not_finite_makes_the_loss_so_and_nothing_worse(value: float) -> None:
    targets, outputs = random_targets((3,), (40, 52)), random_outputs(1)
    with torch.no_grad():
        outputs.mask_features[0, 0, 0, 0] = value
    sampler = PointSampler(SETTINGS, torch.Generator().manual_seed(0))
    terms = mask_set_losses(outputs, targets, SETTINGS, sampler, 3.0)
    terms.total.backward()
    assert not terms.total.isfinite()
    assert not outputs.mask_features.grad.isfinite().all()


@pytest.mark.parametrize("importance", [0.0, 0.75, 1.0])
@pytest.mark.parametrize("drop_iou", [None, 0.01, 0.4])
def test_compiled_and_torch_losses_agree(importance: float, drop_iou: float | None) -> None:
    settings = LossSettings(points=50, importance=importance, drop_iou=drop_iou)
    targets, outputs = random_targets((5,), (33, 47)), random_outputs(1, queries=5, layers=1)
    sampler = PointSampler(settings, torch.Generator().manual_seed(3))
    terms = mask_set_losses(outputs, targets, settings, sampler, 5.0)
    compiled = torch.autograd.grad(terms.total - terms.parts["class"], outputs.mask_features, retain_graph=True)[0]

    sampler = PointSampler(settings, torch.Generator().manual_seed(3))
    sampler.matching(1, 1)
    matched = assigned(outputs, targets, settings)
    total, entropy, dice = torch_point_losses(
        outputs.mask_logits()[0, matched[0]],
        targets.bits[matched[1]],
        targets.width,
        sampler.candidates(0, 5),
        sampler.others(0, 5),
        sampler.uncertain,
        (1.0, 1.0),
        drop_iou,
    )
    torch.testing.assert_close(terms.parts["mask"], entropy.sum(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(terms.parts["dice"], dice.sum(), atol=1e-5, rtol=1e-5)
    plain = torch.autograd.grad(total, outputs.mask_features)[0]
    torch.testing.assert_close(compiled, plain, atol=1e-5, rtol=1e-3)
    assert (drop_iou == 0.4) == bool((dice == 0).any())


def assigned(outputs: QueryOutputs, targets: BitTargets, settings: LossSettings) -> tuple[torch.Tensor, torch.Tensor]:
    from ops.mask_losses import _threads
    from ops.matching import match

    points = PointSampler(settings, torch.Generator().manual_seed(3)).matching(1, 1)
    matches = match(outputs, targets, points, settings, _threads())[0]
    return matches.queries, matches.targets


@pytest.mark.parametrize("size", [(16, 24), (33, 47)])
def test_bits_are_sampled_as_grid_sample_does(size: tuple[int, int]) -> None:
    targets = random_targets((3,), size)
    points = torch.rand(200, 2, generator=torch.Generator().manual_seed(0))
    points[:4] = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.999, 0.001]])
    expected = sample_point(targets.dense()[:, None], points[None].repeat(3, 1, 1), align_corners=False)[:, 0]
    torch.testing.assert_close(sample_shared(targets.bits, targets.width, points), expected, atol=1e-4, rtol=0)
    own = points[None].repeat(3, 1, 1)
    torch.testing.assert_close(sample(targets.bits, targets.width, own), expected, atol=1e-4, rtol=0)


def test_gradient_is_that_of_finite_differences() -> None:
    """An oracle that shares no code with either path: central differences of the plain formula."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 6, 6, generator=generator)
    targets = random_targets((2,), (24, 24))
    others = torch.rand(2, 30, 2, generator=generator)

    def loss(values: torch.Tensor) -> torch.Tensor:
        sampled = functional.grid_sample(values[:, None], 2 * others[:, :, None] - 1, align_corners=False)[:, 0, :, 0]
        truth = functional.grid_sample(targets.dense()[:, None], 2 * others[:, :, None] - 1, align_corners=False)
        truth, probabilities = truth[:, 0, :, 0], sampled.sigmoid()
        entropy = -(truth * probabilities.log() + (1 - truth) * (1 - probabilities).log()).mean(1)
        dice = 1 - (2 * (probabilities * truth).sum(1) + 1) / ((probabilities + truth).sum(1) + 1)
        return (0.7 * entropy + 0.3 * dice).sum()

    from ops.mask_losses import _CompiledPointLosses

    leaf = logits.clone().requires_grad_()
    nothing = torch.zeros(2, 0, 2)
    total, _, _ = _CompiledPointLosses.apply(leaf, targets, torch.arange(2), nothing, others, 0, (0.7, 0.3), None)
    total.backward()
    for place in [(0, 2, 3), (1, 0, 0), (1, 5, 4)]:
        step = torch.zeros_like(logits)
        step[place] = 1e-2
        slope = (loss(logits + step) - loss(logits - step)) / 2e-2
        assert leaf.grad[place] == pytest.approx(float(slope), abs=2e-4)
