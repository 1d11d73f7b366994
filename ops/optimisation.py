"""AdamW as the papers set it up: groups, schedule, linear scaling, and gradients that are not finite (spec 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from ops.training_settings import OptimiserSettings

Tensors = tuple[torch.Tensor, ...] | list[torch.Tensor]
_NORMS = (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._BatchNorm)


class TrainingDiverged(RuntimeError):
    """Too many steps in a row without a finite gradient."""


def build_optimiser(
    model: nn.Module, backbone: Iterable[nn.Parameter], settings: OptimiserSettings, batch: int
) -> torch.optim.AdamW:
    """AdamW over the parameters that want a gradient; each group's rate before the schedule is its `full_rate`.

    Norms and embeddings have no weight decay; the backbone learns at `backbone_factor` times the rate.

    Args:
        backbone: parameters that began with self-supervised weights.
        batch: images a step over all workers, for linear scaling.
    """
    rate = settings.learning_rate * batch / settings.reference_batch
    slow = {id(parameter) for parameter in backbone}
    undecayed = _undecayed(model)
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            groups.setdefault((id(parameter) in slow, id(parameter) in undecayed), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "full_rate": rate * (settings.backbone_factor if is_slow else 1.0),
                "weight_decay": 0.0 if bare else settings.weight_decay,
            }
            for (is_slow, bare), parameters in sorted(groups.items())
        ],
        lr=rate,
    )


def rate_factor(step: int, steps: int, settings: OptimiserSettings) -> float:
    """What the schedule multiplies every rate with at `step` of `steps`: linear warm-up, then the drops."""
    warm = min(1.0, (step + 1) / settings.warmup_steps) if settings.warmup_steps else 1.0
    drops = sum(step >= share * steps for share in settings.drops)
    return warm * settings.drop_factor**drops


def set_rate(optimiser: torch.optim.Optimizer, factor: float) -> float:
    """Apply a factor to every group's full rate; returns the largest rate."""
    for group in optimiser.param_groups:
        group["lr"] = group["full_rate"] * factor
    return max(group["lr"] for group in optimiser.param_groups)


def apply_gradient(model: nn.Module, optimiser: torch.optim.Optimizer, clip: float) -> bool:
    """Clip the whole gradient to norm `clip` and take a step; False, and no step, where it is not finite.

    In data-parallel training the gradient is the same everywhere by now, so that all workers decide alike.
    """
    norm = torch.nn.utils.clip_grad_norm_((p for p in model.parameters() if p.grad is not None), clip)
    finite = bool(torch.isfinite(norm))
    if finite:
        optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return finite


def moving_average(decay: float) -> Callable[[Tensors, Tensors, torch.Tensor | int], None]:
    """An exponential average for `AveragedModel` whose decay grows to `decay`: 0.1, 0.18, 0.25, ... (1 + n) / (10 + n).

    With a constant decay of 0.998 the random weights of the beginning are still 55 % of the average after 300 steps,
    and a model that has learned predicts nothing.
    """

    def update(averages: Tensors, values: Tensors, count: torch.Tensor | int) -> None:
        now = int(count)
        get_ema_multi_avg_fn(min(decay, (1 + now) / (10 + now)))(averages, values, count)

    return update


def _undecayed(model: nn.Module) -> set[int]:
    # torchvision takes ten seconds to import: the code location, and so every run, is to start without it.
    from torchvision.ops.misc import FrozenBatchNorm2d

    bare = {
        id(parameter)
        for module in model.modules()
        if isinstance(module, (*_NORMS, FrozenBatchNorm2d, nn.Embedding))
        for parameter in module.parameters(recurse=False)
    }
    embeddings = {id(value) for name, value in model.named_parameters() if name.rsplit(".", 1)[-1] in _EMBEDDINGS}
    return bare | embeddings


_EMBEDDINGS = ("level_embed", "pos_embed", "cls_token")
