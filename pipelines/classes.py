"""From tags to class masks in this process: classifier, pseudo-labels, repair, segmentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from pipelines.rounds import BY_SHARD, ONCE, run_jobs
from pipelines.runner import ShardRun

_LABELS = (("train_classifier", ONCE), ("label_classes", BY_SHARD))
_SEMANTIC = (("train_semantic", ONCE), ("predict_classes", BY_SHARD))


@dataclass(frozen=True)
class ClassesRequest:
    """How classes are to be found; resolved by `ops.sepl.class_settings.resolve_classes`.

    Attributes:
        values: of the user's own settings file.
    """

    preset: str = "small"
    values: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    force: bool = False

    def resource_config(self, shards: Sequence[str]) -> dict[str, Any]:
        return {
            "preset": self.preset,
            "settings": dict(self.values),
            "overrides": list(self.overrides),
            "shards": list(shards),
            "force": self.force,
        }


def find_classes(
    instance: dg.DagsterInstance,
    shards: Sequence[str],
    request: ClassesRequest,
    semantic: bool = True,
    learn_from: Sequence[str] = (),
) -> Iterator[ShardRun]:
    """Run the stages over shards that have masks; the first failure ends it.

    Args:
        learn_from: shards whose tags and labels both networks learn; empty takes `shards`.
        semantic: train and use the segmentation network too.
    """
    steps = [*_LABELS, *(_SEMANTIC if semantic else ())]
    resources = {"classes": request.resource_config(learn_from or shards)}
    yield from run_jobs(instance, shards, resources, steps)
