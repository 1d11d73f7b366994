"""One training loop for every model, on one worker or many, with or without Ray (spec 4.2).

Several workers are those of `torch.distributed`, whoever started them: `ops.training_launcher` (Ray Train) or
`torchrun`. Every random number of a step comes from (seed, step, worker), so that a run that was killed goes on
exactly as it would have.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from models.backbone import resolve_precision
from ops.checkpoints import Checkpoint, Checkpoints, optimiser_tensors, restore_optimiser
from ops.mask_losses import LossTerms
from ops.optimisation import (
    TrainingDiverged,
    apply_gradient,
    build_optimiser,
    moving_average,
    rate_factor,
    set_rate,
)
from ops.training_log import Entry, TrainingLog
from ops.training_settings import FREE_TO_CHANGE, RunSettings

_SEED_STRIDE = 1_000_003


class TimedBatch(Protocol):
    """What a step learns from."""

    @property
    def waited(self) -> float:
        """Seconds for which the loop had to wait for it."""
        ...


class TrainingTask(Protocol):
    """A model and how it learns.

    Attributes: model, on its device; fingerprint, of all that decides the result beside the settings (data, masks).
    """

    model: nn.Module
    fingerprint: str

    def backbone_parameters(self) -> Iterable[nn.Parameter]:
        """Parameters that learn at the backbone's slower rate."""
        ...

    def batches(self, first_step: int, rank: int, workers: int) -> Iterator[TimedBatch]:
        """This worker's batches from a step on, endless."""
        ...

    def loss(self, model: nn.Module, batch: Any, generator: torch.Generator, dtype: torch.dtype) -> LossTerms:
        """The loss of a batch by `model` (`self.model`, perhaps wrapped), its forward pass in `dtype`."""
        ...


class ForeignCheckpoint(ValueError):
    """The folder holds checkpoints of another run."""


@dataclass(frozen=True)
class TrainingResult:
    """What a run made: the model to predict with (the moving average where there is one) and the loss history."""

    model: nn.Module
    history: list[Entry]
    skipped: int


@dataclass
class _Run:
    task: TrainingTask
    settings: RunSettings
    optimiser: torch.optim.Optimizer
    average: AveragedModel | None
    step: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0


def train(
    task: TrainingTask,
    settings: RunSettings,
    folder: str | Path,
    *,
    shown: bool = True,
    after_window: Callable[[Entry], None] | None = None,
) -> TrainingResult:
    """Train to `settings.steps`, from the newest good checkpoint in `folder` if there is one.

    Args:
        task: model, data and loss.
        settings: of the run; those of a run that is gone on with must be the same.
        folder: local or shared by all workers; gets `checkpoints/`, `history.json` and `tensorboard/`.
        shown: a progress bar, or a line a window where there is no terminal.
        after_window: called on the first worker with each new entry of the history.

    Raises:
        ForeignCheckpoint: the folder belongs to a run with other settings or data.
        TrainingDiverged: `settings.max_skipped` steps in a row had no finite gradient.
        ValueError: the batch cannot be dealt out evenly to the workers.
    """
    rank, workers = worker_place()
    if settings.batch % workers:
        raise ValueError(f"a batch of {settings.batch} cannot be dealt out evenly to {workers} workers")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    checkpoints = Checkpoints(folder / "checkpoints", settings.keep_checkpoints)
    run, history = _start(task, settings, checkpoints)
    wrapped = DistributedDataParallel(task.model.train()) if workers > 1 else task.model.train()
    log = TrainingLog(folder, settings.steps, run.step, history, settings.batch, shown and rank == 0)
    with log:
        batches = task.batches(run.step, rank, workers)
        while run.step < settings.steps:
            _step(run, wrapped, next(batches), log, rank)
            _after_step(run, log, checkpoints, after_window, first=rank == 0)
    return TrainingResult(run.average.module if run.average else task.model, log.history, run.skipped)


def worker_place() -> tuple[int, int]:
    """(rank, workers) of this process; (0, 1) outside `torch.distributed`."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def step_generator(settings: RunSettings, step: int, rank: int, device: torch.device) -> torch.Generator:
    """The random numbers of one worker's step."""
    seed = (settings.seed * _SEED_STRIDE + step) * _SEED_STRIDE + rank
    return torch.Generator(device).manual_seed(seed % 2**63)


def _start(task: TrainingTask, settings: RunSettings, checkpoints: Checkpoints) -> tuple[_Run, list[Entry]]:
    optimiser = build_optimiser(task.model, task.backbone_parameters(), settings.optimiser, settings.batch)
    decay = settings.optimiser.ema_decay
    average = AveragedModel(task.model, multi_avg_fn=moving_average(decay)) if decay else None
    run = _Run(task, settings, optimiser, average)
    saved = checkpoints.latest()
    if saved is None:
        return run, []
    _check_same_run(saved, run, checkpoints.folder)
    task.model.load_state_dict(saved.tensors["model"])
    restore_optimiser(optimiser, saved.tensors["optimiser"])
    if average:
        average.load_state_dict(saved.tensors["average"])
    run.step, run.skipped = saved.step, saved.notes["skipped"]
    run.skipped_in_a_row = saved.notes["skipped_in_a_row"]
    return run, saved.notes["history"]


def _step(run: _Run, wrapped: nn.Module, batch: TimedBatch, log: TrainingLog, rank: int) -> None:
    settings = run.settings
    device = next(wrapped.parameters()).device
    set_rate(run.optimiser, rate_factor(run.step, settings.steps, settings.optimiser))
    dtype = resolve_precision(settings.precision, device)
    terms = run.task.loss(wrapped, batch, step_generator(settings, run.step, rank, device), dtype)
    terms.total.backward()
    if apply_gradient(run.task.model, run.optimiser, settings.optimiser.clip):
        run.skipped_in_a_row = 0
        if run.average:
            run.average.update_parameters(run.task.model)
        parts = {"loss": terms.total.detach(), **terms.parts}
        log.add({name: float(part) for name, part in parts.items()}, batch.waited)
    else:
        _skip(run)
    run.step += 1


def _skip(run: _Run) -> None:
    run.skipped += 1
    run.skipped_in_a_row += 1
    if run.skipped_in_a_row >= run.settings.max_skipped:
        rate = run.settings.optimiser.learning_rate
        raise TrainingDiverged(
            f"{run.skipped_in_a_row} steps in a row, up to step {run.step}, had no finite gradient; the checkpoints "
            f"before are kept. Lower optimiser.learning_rate (now {rate:g}) or set precision to float32"
        )


def _after_step(
    run: _Run,
    log: TrainingLog,
    checkpoints: Checkpoints,
    after_window: Callable[[Entry], None] | None,
    first: bool,
) -> None:
    settings = run.settings
    done = run.step >= settings.steps
    due = done or run.step % settings.checkpoint_every == 0
    if due or run.step % settings.log_every == 0:
        entries = len(log.history)
        log.close_window(run.step, max(group["lr"] for group in run.optimiser.param_groups), run.skipped)
        if first and after_window and len(log.history) > entries:
            after_window(log.history[-1])
    if due and first:
        checkpoints.save(_checkpoint(run, log.history))
        log.write_history()


def _checkpoint(run: _Run, history: list[Entry]) -> Checkpoint:
    tensors = {"model": run.task.model.state_dict(), "optimiser": optimiser_tensors(run.optimiser)}
    if run.average:
        tensors["average"] = run.average.state_dict()
    notes = {
        "skipped": run.skipped,
        "skipped_in_a_row": run.skipped_in_a_row,
        "history": history,
        "identity": _identity(run),
    }
    return Checkpoint(run.step, tensors, notes)


def _identity(run: _Run) -> dict[str, object]:
    settings = run.settings.model_dump(mode="json", exclude=set(FREE_TO_CHANGE))
    for name in ("workers", "prefetch"):
        settings["loader"].pop(name)
    return {"settings": settings, "data": run.task.fingerprint}


def _check_same_run(saved: Checkpoint, run: _Run, folder: Path) -> None:
    before, now = saved.notes["identity"], json.loads(json.dumps(_identity(run)))
    if before == now:
        return
    changed = [name for name in now["settings"] if before["settings"].get(name) != now["settings"][name]] + ["data"] * (
        before["data"] != now["data"]
    )
    raise ForeignCheckpoint(
        f"{folder} holds a run with other {', '.join(changed)}; go on with the same, or train in another folder"
    )
