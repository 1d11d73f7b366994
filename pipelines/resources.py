"""What assets are handed: the home, the settings of the run, and the pool of workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from pydantic import Field

from ops.data_engine.settings import Engine, EngineSettings
from ops.evaluation_request import EvaluationRequest
from ops.fanout import Fanout
from ops.learning import DEFAULT_LEARNING_PRESET, Learning, resolve_learning
from ops.presets import DEFAULT_PRESET, Labelling, resolve_settings, validated
from ops.prompt_evaluation.request import PromptEvaluationRequest
from ops.prompt_evaluation.settings import PromptEvaluationSettings
from ops.promptable.request import DEFAULT_PROMPTABLE_PRESET, Prompting, resolve_prompting
from ops.sepl.class_settings import DEFAULT_CLASS_PRESET, ClassRequest, resolve_classes
from ops.sepl.evaluation_request import ClassEvaluationRequest
from ops.sepl.settings import DEFAULT_SEPL_PRESET, SeplPreset
from stores.home import Home


class HomeResource(dg.ConfigurableResource[Home]):
    """The root of all state."""

    url: str = Field(default="", description="path or URL; empty takes UNSAM_HOME, else ./.unsam")

    def create_resource(self, context: dg.InitResourceContext) -> Home:
        return Home(self.url) if self.url else Home.from_environment()


class LabellingResource(dg.ConfigurableResource[Labelling]):
    """Which settings a run uses; the launchpad, schedules and sensors may change them in the run's config."""

    preset: str = Field(default=DEFAULT_PRESET, description="default, paper, released or small (configs/)")
    settings: dict[str, Any] = Field(default_factory=dict, description="what differs, such as {divide: {max_masks: 5}}")
    overrides: list[str] = Field(default_factory=list, description="single values, such as divide.max_masks=5")
    force: bool = Field(default=False, description="compute again what is fresh")

    def create_resource(self, context: dg.InitResourceContext) -> Labelling:
        return Labelling(resolve_settings(self.preset, self.settings, self.overrides), self.force)


class LearningResource(dg.ConfigurableResource[Learning]):
    """How models are trained and used; the launchpad, schedules and sensors may change it in the run's config."""

    preset: str = Field(default=DEFAULT_LEARNING_PRESET, description="grouping, small, paper or demo (ops/learning.py)")
    settings: dict[str, Any] = Field(default_factory=dict, description="what differs, as {training: {steps: 500}}")
    overrides: list[str] = Field(default_factory=list, description="single values, such as training.steps=500")
    shards: list[str] = Field(default_factory=list, description="to train on; empty takes all")
    workers: int = Field(default=1, ge=1, description="that train together; more than one are Ray's")
    force: bool = Field(default=False, description="compute again what is fresh")

    def create_resource(self, context: dg.InitResourceContext) -> Learning:
        settings = resolve_learning(self.preset, self.settings, self.overrides)
        return Learning(settings, tuple(self.shards), self.workers, self.force)


class PromptingResource(dg.ConfigurableResource[Prompting]):
    """How promptable models are trained, and what they look for by themselves."""

    preset: str = Field(default=DEFAULT_PROMPTABLE_PRESET, description="small, paper or demo (ops/promptable)")
    settings: dict[str, Any] = Field(default_factory=dict, description="what differs, as {training: {steps: 500}}")
    overrides: list[str] = Field(default_factory=list, description="single values, such as training.steps=500")
    labels: str = Field(default="hierarchical_masks", description="mask asset that promptable_model learns from")
    shards: list[str] = Field(default_factory=list, description="to train on; empty takes all")
    workers: int = Field(default=1, ge=1, description="that train together; more than one are Ray's")
    force: bool = Field(default=False, description="compute again what is fresh")

    def create_resource(self, context: dg.InitResourceContext) -> Prompting:
        settings = resolve_prompting(self.preset, self.settings, self.overrides)
        return Prompting(settings, self.labels, tuple(self.shards), self.workers, self.force)


class ClassesResource(dg.ConfigurableResource[ClassRequest]):
    """How classes are found from tags; the launchpad, schedules and sensors may change it in the run's config."""

    preset: str = Field(default=DEFAULT_CLASS_PRESET, description="small, few or demo (ops/sepl/class_settings.py)")
    settings: dict[str, Any] = Field(default_factory=dict, description="what differs, as {sepl: {rule: or}}")
    overrides: list[str] = Field(default_factory=list, description="single values, such as sepl=code")
    shards: list[str] = Field(default_factory=list, description="to learn from; empty takes all")
    force: bool = Field(default=False, description="compute again what is fresh")

    def create_resource(self, context: dg.InitResourceContext) -> ClassRequest:
        settings = resolve_classes(self.preset, self.settings, self.overrides)
        return ClassRequest(settings, tuple(self.shards), self.force)


class EvaluationResource(dg.ConfigurableResource[EvaluationRequest]):
    """What evaluations are made on; the launchpad may change it in the run's config."""

    file: str = Field(default="", description="register of datasets; empty takes UNSAM_DATASETS, else the shipped one")
    limit: int = Field(default=0, ge=0, description="the first so many images of a dataset; 0 takes all")
    sources: list[str] = Field(default_factory=list, description="whose masks to score, as round2; empty takes all")
    as_trained: bool = Field(default=True, description="models predict as in their training, not by `learning`")

    def create_resource(self, context: dg.InitResourceContext) -> EvaluationRequest:
        return EvaluationRequest(self.file, self.limit or None, tuple(self.sources), self.as_trained)


class EngineResource(dg.ConfigurableResource[Engine]):
    """Which stage the data engine is in, and what people handed in; the launchpad may change it in the run's config."""

    settings: dict[str, Any] = Field(default_factory=dict, description="what differs, as {stage: semi_automatic}")
    corrections: str = Field(default="", description="COCO file or folder of SA-1B JSON that people made")

    def create_resource(self, context: dg.InitResourceContext) -> Engine:
        return Engine(validated(self.settings, EngineSettings), self.corrections)


class PromptEvaluationResource(dg.ConfigurableResource[PromptEvaluationRequest]):
    """What promptable models are evaluated on and how; the launchpad may change it in the run's config."""

    file: str = Field(default="", description="register of datasets; empty takes UNSAM_DATASETS, else the shipped one")
    limit: int = Field(default=0, ge=0, description="the first so many images of a dataset; 0 takes all")
    models: list[str] = Field(default_factory=list, description="beside the published ones: files, or sam:FOLDER")
    settings: dict[str, Any] = Field(default_factory=dict, description="what differs, such as {masks_per_image: 10}")

    def create_resource(self, context: dg.InitResourceContext) -> PromptEvaluationRequest:
        settings = validated(self.settings, PromptEvaluationSettings)
        return PromptEvaluationRequest(self.file, self.limit or None, tuple(self.models), settings)


class ClassEvaluationResource(dg.ConfigurableResource[ClassEvaluationRequest]):
    """True labels, and which masks are compared on them; the launchpad may change it in the run's config."""

    truth: str = Field(default="", description="COCO annotations, or a folder of label maps NAME.png")
    shards: list[str] = Field(default_factory=list, description="to score; empty takes all")
    masks: list[str] = Field(
        default_factory=lambda: ["hierarchical_masks"], description="assets or files", min_length=1
    )
    most_masks: int = Field(default=0, ge=0, description="the best so many masks of a photo; 0 takes all")
    shown: SeplPreset = Field(default=DEFAULT_SEPL_PRESET, description="preset by which photos are ranked")
    page: str = Field(default="", description="folder for a page with pictures; empty writes none")

    def create_resource(self, context: dg.InitResourceContext) -> ClassEvaluationRequest:
        shards, masks = tuple(self.shards), tuple(self.masks)
        return ClassEvaluationRequest(self.truth, shards, masks, self.most_masks or None, self.shown, self.page)


class FanoutResource(dg.ConfigurableResource[Fanout]):
    """The pool of Ray actors; it starts when a stage has work, on RAY_ADDRESS or on this machine."""

    address: str = Field(default="", description="Ray cluster; empty takes RAY_ADDRESS, else starts a local one")
    actors: int = Field(default=0, description="how many; 0 fills the GPUs, or the cores where there is none")
    gpus_per_actor: float = Field(default=-1, description="share of a GPU an actor holds, as 0.5; -1 decides")
    cpus_per_actor: int = Field(default=1, description="cores that an actor holds")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Fanout]:
        share = None if self.gpus_per_actor < 0 else self.gpus_per_actor
        with Fanout(self.address or None, self.actors or None, share, self.cpus_per_actor) as pool:
            yield pool
