"""Training checkpoints: complete or not there, safe to open, the last few kept."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

logger = logging.getLogger(__name__)

_STATE = "state.json"
_PREFIX = "step-"
_PARTIAL = ".partial-"


@dataclass(frozen=True)
class Checkpoint:
    """What a training run needs to go on.

    Attributes: step, steps done; tensors, named groups of named tensors; notes, anything that JSON can hold.
    """

    step: int
    tensors: dict[str, dict[str, torch.Tensor]]
    notes: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run, a folder `step-00000400` each with one safetensors file a group of tensors.

    A checkpoint is written beside its place, forced to the disk, and moved there in one step; its `state.json` holds
    the digest of every file, so that one that was cut short or damaged later is told from a good one.

    Args:
        folder: of this run alone.
        keep: how many to keep, at least 1.
    """

    def __init__(self, folder: str | Path, keep: int = 2) -> None:
        self.folder = Path(folder)
        self.keep = keep

    def save(self, checkpoint: Checkpoint) -> Path:
        """Write it, then delete those beyond `keep` and what killed runs left behind."""
        self.folder.mkdir(parents=True, exist_ok=True)
        place = self.folder / f"{_PREFIX}{checkpoint.step:08d}"
        partial = self.folder / f"{_PARTIAL}{os.getpid()}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        digests = {}
        for group, tensors in checkpoint.tensors.items():
            path = partial / f"{group}.safetensors"
            save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, path)
            digests[path.name] = _digest(path)
        state = {"step": checkpoint.step, "digests": digests, "notes": checkpoint.notes}
        (partial / _STATE).write_text(json.dumps(state))
        for path in (*partial.iterdir(), partial):
            _force_to_disk(path)
        shutil.rmtree(place, ignore_errors=True)
        os.replace(partial, place)
        _force_to_disk(self.folder)
        self._sweep()
        return place

    def latest(self) -> Checkpoint | None:
        """The newest complete checkpoint; a damaged one is passed over with a warning that names it."""
        for place in reversed(self._places()):
            try:
                return _load(place)
            except (OSError, ValueError) as error:
                logger.warning("checkpoint %s is damaged (%s); going back to the one before", place, error)
        return None

    def _places(self) -> list[Path]:
        return sorted(self.folder.glob(f"{_PREFIX}*")) if self.folder.exists() else []

    def _sweep(self) -> None:
        for place in [*self._places()[: -self.keep], *self.folder.glob(f"{_PARTIAL}*")]:
            shutil.rmtree(place, ignore_errors=True)


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """An optimiser's state as plain named tensors, `INDEX.KEY`, so that no pickle is needed."""
    state: Mapping[int, Mapping[str, Any]] = optimiser.state_dict()["state"]
    return {
        f"{index}.{key}": torch.as_tensor(value) for index, values in state.items() for key, value in values.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]) -> None:
    """Put back what `optimiser_tensors` gave; groups and their rates stay those of `optimiser`."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def _load(place: Path) -> Checkpoint:
    """
    Raises:
        OSError, ValueError: a file is missing, cut short or changed.
    """
    state = json.loads((place / _STATE).read_text())
    for name, digest in state["digests"].items():
        if _digest(place / name) != digest:
            raise ValueError(f"{name} does not match its digest")
    tensors = {Path(name).stem: load_file(place / name) for name in state["digests"]}
    return Checkpoint(state["step"], tensors, state["notes"])


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _force_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
