"""From the labels of shards to a published promptable model; light to import, as `ops.training_stage`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from models.backbone import best_device
from ops.label_shards import ShardLabels, UnfitLabels
from ops.model_files import MODEL_FILE
from ops.promptable.request import Prompting
from ops.promptable.settings import PromptableSettings
from ops.stages import Provenance, Say
from ops.training import TrainingResult, train, worker_place
from ops.training_log import Entry
from ops.training_publication import history_of, publish_trained
from ops.training_settings import FREE_TO_CHANGE
from ops.training_stage import TrainingReport, progress_line, run_job
from stores.home import Home
from stores.versions import version_of


@dataclass(frozen=True)
class PromptableJob:
    """All that one worker needs; picklable, and called on every worker.

    Attributes: labels, the asset; versions, of it by shard; folder, checkpoints, history and the finished model.
    """

    home: Home
    labels: str
    versions: dict[str, str]
    settings: PromptableSettings
    fingerprint: str
    folder: str
    log: Say | None = None

    def __call__(self) -> TrainingResult:
        from models.promptable import PromptableModel, for_inputs_of, save_promptable
        from ops.promptable.beginning import first_model
        from ops.promptable.text import TextEncoder
        from ops.promptable.training import PromptableTask

        torch.manual_seed(self.settings.seed)
        source = ShardLabels(self.home, self.labels, self.versions, self.settings.limits)
        device = best_device()
        model = first_model(self.home, self.settings).train().to(device)
        clip = TextEncoder(self.settings.clip, device) if self.settings.prompting.text else None
        task = PromptableTask(model, source, self.settings, self.fingerprint, clip)
        result = train(task, self.settings, self.folder, after_window=self._say)
        if worker_place()[0] == 0 and isinstance(result.model, PromptableModel):
            used = for_inputs_of(result.model, self.settings.use_size)
            save_promptable(used, Path(self.folder) / MODEL_FILE, torch.float16)
        return result

    def _say(self, entry: Entry) -> None:
        if self.log:
            self.log(progress_line(entry, self.settings))


def promptable_provenance(
    home: Home,
    asset: str,
    code_version: str,
    labels: str,
    versions: dict[str, str],
    prompting: Prompting,
    forced: str | None,
) -> Provenance:
    """What decides a promptable model: the exact versions of the labels, the settings and where it began.

    Raises:
        WeightsUnavailable: the backbone's weights, or the model to go on from, cannot be had.
        NoVersion, IncompleteVersion: there is no such model to go on from.
    """
    from ops.promptable.beginning import weights_at_first

    settings = prompting.settings.training
    return {
        "asset": asset,
        "code": code_version,
        "inputs": {},
        "labels": {"asset": labels, "versions": versions},
        **weights_at_first(home, settings),
        "settings": settings.model_dump(mode="json", exclude={*FREE_TO_CHANGE, "initial"}),
        "forced": forced,
    }


def train_promptable(
    home: Home, provenance: Provenance, prompting: Prompting, log: Say | None = None
) -> TrainingReport:
    """Train what `provenance` names, unless it is there, and publish it.

    Raises:
        UnfitLabels: there is no image among the labels.
        TrainingDiverged, UnfitSource, NotEnoughWorkers: as the trainer; checkpoints stay for the next run.
    """
    labels, settings = provenance["labels"], prompting.settings.training
    asset, version = provenance["asset"], version_of(provenance)
    images = len(ShardLabels(home, labels["asset"], labels["versions"], settings.limits))
    if not images:
        shards = len(labels["versions"])
        raise UnfitLabels(f"nothing to train {asset} on: {labels['asset']} of {shards} shards holds no image")

    def work(folder: Path) -> None:
        said = log if prompting.workers == 1 else None
        job = PromptableJob(home, labels["asset"], labels["versions"], settings, version, str(folder), said)
        run_job(job, prompting.workers, folder)

    reused, seconds = publish_trained(home, provenance, work)
    return TrainingReport(version, reused, images, settings.steps, seconds, history_of(home, asset, version))
