"""From the labels of shards to a published model: one training, gone on with after a kill (spec 4, 5, 6).

Light to import: only what trains waits the seconds that importing `transformers` takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from models.backbone import best_device
from ops.grouping.settings import GroupingPrediction
from ops.label_shards import ShardLabels, UnfitLabels
from ops.learning import Learning
from ops.model_files import MODEL_FILE, load_model, model_location
from ops.settings import LimitSettings
from ops.stages import Provenance, Say
from ops.training import TrainingResult, train, worker_place
from ops.training_launcher import Workers, launch
from ops.training_log import Entry
from ops.training_publication import history_of, publish_trained
from ops.training_settings import FREE_TO_CHANGE, RunSettings, TrainingSettings
from ops.training_source import MasksFrom, TrainingSource
from stores.home import Home
from stores.location import Location
from stores.versions import version_of

if TYPE_CHECKING:
    from models.grouping import GroupingModel
    from ops.model_files import MaskModel
    from ops.training import TrainingTask


class UnfitModel(ValueError):
    """A model that a training cannot go on from; the message says why."""


@dataclass(frozen=True)
class TrainingReport:
    """What a training did.

    Attributes:
        version: of the model, now current.
        reused: it was there already.
        images, steps: trained on, and how often.
        seconds: wall time of this run; an interrupted one before it does not count.
        history: entries of `ops.training_log`.
    """

    version: str
    reused: bool
    images: int
    steps: int
    seconds: float
    history: list[Entry] = field(default_factory=list)


@dataclass(frozen=True)
class TrainingJob:
    """All that one worker needs; picklable, and called on every worker.

    Attributes:
        labels: the asset; versions, of it by shard.
        prediction: the views of a photo in which a grouping model learns where masks end and what people draw.
        initial: file of the model to go on from; None begins with the backbone alone.
        beside: learn a second head beside that model's, which stays, instead of changing it.
        only_human: heed only the human masks among the labels.
        weights: of the backbone, a file or URL.
        folder: checkpoints, history and the finished model; shared by all workers.
    """

    home: Home
    labels: str
    versions: dict[str, str]
    settings: TrainingSettings
    limits: LimitSettings
    fingerprint: str
    folder: str
    prediction: GroupingPrediction
    initial: Location | None = None
    beside: bool = False
    only_human: bool = False
    weights: str | None = None
    log: Say | None = None

    def __call__(self) -> TrainingResult:
        from models.grouping import GroupingModel, save_grouping
        from models.whole_image import WholeImageModel, save_whole_image

        torch.manual_seed(self.settings.seed)
        source = ShardLabels(self.home, self.labels, self.versions, self.limits)
        held_out = source.held_out(self.settings.held_out)
        learned = MasksFrom(source.with_human_masks(), "human") if self.only_human else source.without(held_out)
        task = self._task(self._model().train().to(best_device()), learned)
        result = train(task, self.settings, self.folder, after_window=self._say)
        path = Path(self.folder) / MODEL_FILE
        if worker_place()[0] == 0 and isinstance(result.model, GroupingModel):
            self._learn_odds(result.model, source, held_out)
            save_grouping(result.model, path, torch.float16)
        elif worker_place()[0] == 0 and isinstance(result.model, WholeImageModel):
            save_whole_image(result.model, path, torch.float16)
        return result

    def _learn_odds(self, model: GroupingModel, source: ShardLabels, held_out: ShardLabels) -> None:
        """Where masks end and what people draw; each in what was learned before it."""
        from ops.grouping.borders import learn_borders
        from ops.grouping.quality import learn_quality

        settings, seed, annotated = self.settings, self.settings.seed, source.with_human_masks()
        telling = [annotated]
        if settings.borders.masks == "all":
            telling.append(held_out or source.without_human_masks())
        model.borders = learn_borders(model, telling, settings.borders, self.prediction, seed, self.log)
        model.quality = learn_quality(model, [annotated], settings.quality, self.prediction, seed, self.log)

    def _task(self, model: MaskModel, source: TrainingSource) -> TrainingTask:
        from models.grouping import GroupingModel
        from ops.grouping.training import GroupingTask
        from ops.whole_image_training import WholeImageTask

        if isinstance(model, GroupingModel):
            return GroupingTask(model, source, self.settings, self.fingerprint)
        return WholeImageTask(model, source, self.settings, self.fingerprint)

    def _model(self) -> MaskModel:
        from models.grouping import GroupingModel, build_grouping
        from models.whole_image import build_whole_image

        if self.initial:
            model = _of_learner(load_model(self.initial), self.settings)
            if self.beside:
                return _beside(model, self.settings)
            if isinstance(model, GroupingModel):
                model.borders = model.quality = None  # learned anew, in the embeddings that it will have
            return model
        if self.settings.learner == "grouping":
            return build_grouping(self.settings.grouping, self.weights)
        return build_whole_image(self.settings.model, self.weights)

    def _say(self, entry: Entry) -> None:
        if self.log:
            self.log(progress_line(entry, self.settings))


def _of_learner(model: MaskModel, settings: TrainingSettings) -> MaskModel:
    """The model, if it is what `settings.learner` says.

    Raises:
        UnfitModel: it is of the other kind.
    """
    from models.grouping import GroupingModel

    found = "grouping" if isinstance(model, GroupingModel) else "queries"
    if found != settings.learner:
        raise UnfitModel(
            f"training.learner is {settings.learner}, but the model to go on from is of learner {found}: "
            f"train with --set training.learner={found} or its preset, or train round 1 again"
        )
    return model


def _beside(elder: MaskModel, settings: TrainingSettings) -> MaskModel:
    """A model with a head of its own beside that of `elder`.

    Raises:
        UnfitModel: it is no grouping model, or its backbone would be trained.
    """
    from models.grouping import GroupingModel, beside

    if not isinstance(elder, GroupingModel):
        raise UnfitModel("only a grouping model can learn a second head (beside): set it to false, or learner=grouping")
    try:
        return beside(elder, settings.grouping.frozen_stages)
    except ValueError as error:
        raise UnfitModel(str(error)) from error


def progress_line(entry: Entry, settings: RunSettings) -> str:
    """One line of a log about a window of a run."""
    rest = (settings.steps - entry["step"]) * settings.batch / max(entry["images_per_second"], 1e-9)
    return (
        f"step {entry['step']:.0f} of {settings.steps}: loss {entry['loss']:.3f}, "
        f"{entry['images_per_second']:.2f} images/s, {entry['waiting']:.1%} waiting for data, {rest:.0f} s left"
    )


def run_job(job: Callable[[], TrainingResult], workers: int, folder: Path) -> None:
    """Train in this process, or on the workers of a Ray cluster, a GPU each where there are GPUs."""
    if workers == 1:
        job()
        return
    gpus = 1 if torch.cuda.is_available() else 0
    launch(job, Workers(count=workers, gpus=gpus), folder / "ray")


def training_provenance(
    asset: str,
    code_version: str,
    labels: str,
    versions: dict[str, str],
    learning: Learning,
    initial: Mapping[str, str] | None,
    forced: str | None,
) -> Provenance:
    """What decides a model: the exact versions of the labels, the settings and where it began.

    Raises:
        WeightsUnavailable: the backbone's weights cannot be had.
    """
    from models.backbones import load_backbone

    settings = learning.settings.training_of(asset)
    backbone = None if initial else load_backbone(settings.backbone, learning.settings.weights).weight_hash
    provenance: Provenance = {
        "asset": asset,
        "code": code_version,
        "inputs": dict(initial or {}),
        "labels": {"asset": labels, "versions": versions},
        "backbone": backbone,
        "settings": settings.model_dump(mode="json", exclude=set(FREE_TO_CHANGE)),
        "prediction": learning.settings.prediction.model_dump(mode="json"),
        "forced": forced,
    }
    if initial:
        provenance["beside"] = learning.settings.beside(asset)
    if learning.settings.only_human(asset):
        provenance["masks"] = "human"
    return provenance


def train_stage(home: Home, provenance: Provenance, learning: Learning, log: Say | None = None) -> TrainingReport:
    """Train what `provenance` names, unless it is there, and publish it.

    Raises:
        UnfitLabels: there is no image among the labels.
        TrainingDiverged, UnfitSource, NotEnoughWorkers: as the trainer; checkpoints stay for the next run.
    """
    asset, version = provenance["asset"], version_of(provenance)
    labels = provenance["labels"]
    source = ShardLabels(home, labels["asset"], labels["versions"], learning.settings.limits)
    settings, only_human = learning.settings.training_of(asset), learning.settings.only_human(asset)
    images = len(source.with_human_masks() if only_human else source)
    if not images:
        wanted = "image with a human mask; plus.masks=all learns from the others too" if only_human else "image"
        raise UnfitLabels(
            f"nothing to train {asset} on: {labels['asset']} of {len(labels['versions'])} shards holds no {wanted}"
        )
    initial = next(iter(provenance["inputs"].items()), None)

    def work(folder: Path) -> None:
        job = TrainingJob(
            home=home,
            labels=labels["asset"],
            versions=labels["versions"],
            settings=settings,
            limits=learning.settings.limits,
            fingerprint=version,
            folder=str(folder),
            prediction=learning.settings.prediction.grouping,
            initial=model_location(home, *initial) if initial else None,
            beside=bool(initial) and learning.settings.beside(asset),
            only_human=only_human,
            weights=learning.settings.weights,
            log=log if learning.workers == 1 else None,
        )
        run_job(job, learning.workers, folder)

    reused, seconds = publish_trained(home, provenance, work)
    return TrainingReport(version, reused, images, settings.steps, seconds, history_of(home, asset, version))
