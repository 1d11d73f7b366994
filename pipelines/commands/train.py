"""`unsam train` and `unsam plus`: models from labelled shards, and what they find in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import dagster as dg

from ops.learning import resolve_learning
from ops.presets import SettingsError, read_settings_file
from pipelines.commands.console import err, errors_in_one_line, out, table
from pipelines.instance import open_instance
from pipelines.rounds import LearningRequest, learn_plus, train_rounds
from pipelines.runner import ShardRun
from pipelines.shard_selection import select_shards
from stores.home import Home
from stores.manifests import registered

_MODELS = (
    "round1_model",
    "unsam_model",
    "unsam_plus_model",
    "human_only_model",
    "union_model",
    "promptable_model",
    "promptable_plus_model",
)
_LABELS = ("plus_labels", "union_labels")
_MASKS = (
    "round1_masks",
    "round2_labels",
    "unsam_masks",
    "unsam_plus_masks",
    "human_only_masks",
    "union_masks",
    "auto_masks",
)
_LABEL_COLUMNS = ("annotated_images", "human_masks", "unsupervised_masks_kept", "unsupervised_masks_dropped")


def learning_request(
    preset: str, config: Path | None, overrides: Sequence[str], workers: int, force: bool
) -> LearningRequest:
    """A request whose settings resolve; a wrong one ends the command with its reason."""
    with errors_in_one_line(SettingsError):
        values = read_settings_file(config) if config else {}
        resolve_learning(preset, values, overrides)
    return LearningRequest(preset, values, tuple(overrides), workers, force)


def train(request: LearningRequest, shards: Sequence[str], rounds: Sequence[str]) -> int:
    """Train and predict; exit code 1 where a step failed."""
    with errors_in_one_line(ValueError):
        if not rounds or not set(rounds) <= {"1", "2"}:
            raise ValueError(f"rounds are 1 and 2, not {', '.join(rounds)}")
    numbers = sorted(map(int, set(rounds)))
    return follow(shards, lambda instance, chosen: train_rounds(instance, chosen, request, numbers))


def plus(request: LearningRequest, shards: Sequence[str], ablations: bool) -> int:
    """Learn from human masks and what humans overlooked; exit code 1 where a step failed."""
    return follow(shards, lambda instance, chosen: learn_plus(instance, chosen, request, ablations))


def follow(shards: Sequence[str], steps: Callable[[dg.DagsterInstance, Sequence[str]], Iterator[ShardRun]]) -> int:
    """Take steps over the shards of that name, all by default, and tell what each made."""
    home = Home.from_environment()
    with errors_in_one_line(LookupError, ValueError):
        known = registered(home)
        chosen = select_shards(known, shards or known, "unsam label FOLDER")
    done: list[ShardRun] = []
    with open_instance(home) as instance:
        for step in steps(instance, chosen):
            done.append(step)
            if step.error:
                err.print(f"[red]{step.shard} failed:[/red] {step.error}", highlight=False)
    _say(done)
    return 1 if any(step.error for step in done) else 0


def _say(done: Sequence[ShardRun]) -> None:
    model_columns = ("images", "steps", "first_loss", "last_loss", "images_per_second", "seconds")
    _table("Models", _MODELS, model_columns, done)
    _table("Labels", _LABELS, _LABEL_COLUMNS, done)
    _table("Masks", _MASKS, ("images", "masks", "masks_per_image"), done)


def _table(title: str, assets: Sequence[str], columns: Sequence[str], done: Sequence[ShardRun]) -> None:
    rows = [
        (asset, step.shard, *(step.metadata[asset][column] for column in columns))
        for step in done
        for asset in assets
        if asset in step.metadata
    ]
    if rows:
        out.print(table(title, ["asset", "shard or job", *(column.replace("_", " ") for column in columns)], rows))
