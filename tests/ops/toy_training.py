"""A training task of milliseconds: a line fitted to noisy points, with all that the trainer asks of a task."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from ops.bit_targets import BitTargets
from ops.mask_loader import Batch
from ops.mask_losses import LossTerms
from ops.training import train
from ops.training_settings import LoaderSettings, OptimiserSettings, TrainingSettings

SETTINGS = TrainingSettings(
    optimiser=OptimiserSettings(learning_rate=0.05, reference_batch=4, clip=1.0, ema_decay=0.9),
    loader=LoaderSettings(size=32),
    batch=4,
    steps=30,
    checkpoint_every=7,
    log_every=1,
    precision="float32",
)
NO_MASKS = BitTargets(torch.zeros(0, 4, 4, dtype=torch.uint8), (0,), 32)


class Line(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Linear(3, 8)
        self.norm = nn.LayerNorm(8)
        self.places = nn.Embedding(1, 8)
        self.head = nn.Linear(8, 1)

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        return self.head(self.norm(self.backbone(points)) + self.places.weight)[:, 0]


def truth(points: torch.Tensor) -> torch.Tensor:
    return 2 + points.sum(1)


class ToyTask:
    """Random numbers come from the step's generator, so that a wrong resume shows in the losses.

    Args:
        poisoned: steps (of batches drawn) whose loss is NaN.
        pause: seconds a step.
    """

    def __init__(self, poisoned: frozenset[int] = frozenset(), pause: float = 0.0, fingerprint: str = "toy") -> None:
        torch.manual_seed(1)
        self.model = Line()
        self.fingerprint = fingerprint
        self._poisoned = poisoned
        self._pause = pause
        self._step = 0

    def backbone_parameters(self):
        return self.model.backbone.parameters()

    def batches(self, first_step: int, rank: int, workers: int) -> Iterator[Batch]:
        self._step = first_step
        size = SETTINGS.batch // workers
        while True:
            generator = torch.Generator().manual_seed(self._step)
            points = torch.rand(SETTINGS.batch, 3, generator=generator)
            yield Batch(points[rank * size : (rank + 1) * size], NO_MASKS, 0.001, torch.zeros(0), torch.zeros(0))

    def loss(self, model: nn.Module, batch: Batch, generator: torch.Generator, dtype: torch.dtype) -> LossTerms:
        time.sleep(self._pause)
        points = batch.pixels
        noise = torch.randn(SETTINGS.batch, generator=generator)[: len(points)] * 0.01
        error = (model(points) - truth(points) - noise).square().mean()
        if self._step in self._poisoned:
            error = error * torch.nan
        self._step += 1
        return LossTerms(error, {"error": error.detach()})


if __name__ == "__main__":
    train(ToyTask(pause=float(sys.argv[2])), SETTINGS, Path(sys.argv[1]), shown=False)
