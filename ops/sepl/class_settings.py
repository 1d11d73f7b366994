"""Every knob of the way from tags to class masks; light to import, so that the command line can read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from ops.presets import SettingsError, changed, parse_override
from ops.sepl.settings import SEPL_PRESETS, SeplSettings
from ops.settings import CrfSettings, LimitSettings, Section
from ops.training_settings import LoaderSettings, OptimiserSettings, RunSettings

DEFAULT_CLASS_PRESET = "small"


class MissingLibrary(RuntimeError):
    """A setting needs a package that is not installed; the message says which."""


class ClassifierSettings(Section):
    """The network that learns tags, and whose activations say where the classes are."""

    body: str = Field(
        "efficientnet_lite0", description="that, a backbone such as augnet_resnet50, or a classifier of timm by name"
    )
    stride: Literal[8, 16, 32] = Field(16, description="pixels a cell of the activation maps")
    frozen: bool = Field(False, description="learn the head alone")
    class_map: str | None = Field(
        "imagenet", description="classes of the body's own head that belong to ours: a file, or one of configs/"
    )
    weights: str | None = Field(None, description="of the body: a file or URL; empty takes the hub or the package")
    held_out: float = Field(0.1, ge=0, lt=1, description="share of the tagged images on which mAP is measured")
    training: RunSettings | None = Field(
        RunSettings(
            loader=LoaderSettings(size=320, fit="long", scales=(0.8, 1.2)),
            optimiser=OptimiserSettings(learning_rate=1e-3, warmup_steps=20, clip=1.0, weight_decay=0.01),
            batch=16,
            steps=300,
            checkpoint_every=100,
            log_every=10,
        ),
        description="empty uses the body's own head as it is",
    )


class CamSettings(Section):
    """Activation maps, the background, and the refinement that makes pseudo-labels of them."""

    method: Literal["cam", "gradcam++", "layercam"] = "cam"
    size: int = Field(384, ge=64, description="longer side in pixels of the classifier's input at scale 1")
    scales: tuple[float, ...] = (0.75, 1.0, 1.5)
    flip: bool = True
    background: Literal["threshold", "power"] = "threshold"
    threshold: float = Field(0.5, ge=0, le=1, description="activation below which a pixel is background")
    power: float = Field(4.0, gt=0, description="the background's score is (1 - largest activation) to this power")
    walk: bool = Field(True, description="spread activations by a random walk over the body's features")
    walk_steps: int = Field(8, ge=1)
    walk_radius: float = Field(5.0, gt=0, description="cells of 8 pixels within which two are neighbours")
    walk_power: float = Field(8.0, gt=0, description="exponent of the features' cosine")
    crf: bool = Field(True, description="a dense CRF over the labels")
    crf_size: int = Field(320, ge=32, description="longer side in pixels at which it runs")
    crf_confidence: float = Field(
        0.7, gt=0, lt=1, description="probability of a label before its surroundings are seen"
    )
    crf_kernels: CrfSettings = CrfSettings()


class SemanticSettings(Section):
    """The segmentation network that learns from the repaired label maps."""

    body: str = "efficientnet_lite0"
    stride: Literal[8, 16, 32] = 16
    width: int = Field(128, ge=8, description="channels of the head")
    weights: str | None = None
    size: int = Field(384, ge=64, description="longer side in pixels of the input that is predicted")
    training: RunSettings = RunSettings(
        loader=LoaderSettings(size=320, fit="long", scales=(0.8, 1.5)),
        optimiser=OptimiserSettings(learning_rate=2e-3, warmup_steps=20, clip=1.0, weight_decay=0.01),
        batch=8,
        steps=500,
        checkpoint_every=100,
        log_every=10,
    )


class ClassSettings(Section):
    """Everything that decides which class each pixel gets."""

    classifier: ClassifierSettings = ClassifierSettings()
    cams: CamSettings = CamSettings()
    repaired: Literal["refined", "activations"] = Field(
        "refined", description="labels that SEPL begins with: after walk and CRF, or from the activations alone"
    )
    sepl: SeplSettings = SEPL_PRESETS["paper"]
    masks: str = Field(
        "hierarchical_masks", description="asset of masks, or a COCO file, or a folder of SA-1B JSON or of PNGs"
    )
    most_masks: int | None = Field(None, ge=1, description="the best so many of an image; empty takes all")
    semantic: SemanticSettings = SemanticSettings()
    limits: LimitSettings = LimitSettings()


@dataclass(frozen=True)
class ClassRequest:
    """What a run is asked for.

    Attributes:
        settings: decide the classes.
        shards: to learn from; empty takes every registered one that has tagged images.
        force: compute again what is fresh.
    """

    settings: ClassSettings
    shards: tuple[str, ...] = ()
    force: bool = False

    def forced_by(self, run_id: str) -> str | None:
        """What makes versions of a forced run new, and the same when the run tries a stage again."""
        return run_id if self.force else None


def _shorter(training: RunSettings, steps: int, size: int, batch: int) -> RunSettings:
    loader = training.loader.model_copy(update={"size": size})
    optimiser = training.optimiser.model_copy(update={"warmup_steps": 4})
    changes = {"loader": loader, "optimiser": optimiser, "steps": steps, "batch": batch, "checkpoint_every": steps}
    return training.model_copy(update=changes | {"log_every": 5})


def _demo() -> ClassSettings:
    standard = ClassSettings()
    classifier, semantic = standard.classifier, standard.semantic
    learning = _shorter(classifier.training or RunSettings(), 20, 224, 6)
    return standard.model_copy(
        update={
            "classifier": classifier.model_copy(update={"held_out": 0.0, "training": learning}),
            "cams": standard.cams.model_copy(update={"scales": (1.0, 1.5), "size": 320}),
            "semantic": semantic.model_copy(update={"training": _shorter(semantic.training, 20, 224, 4)}),
        }
    )


def _few() -> ClassSettings:
    """For a few hundred photos, which a body that knows ImageNet is better left alone by (docs/classes.md)."""
    standard = ClassSettings()
    training = standard.classifier.training or RunSettings()
    optimiser = training.optimiser.model_copy(update={"learning_rate": 3e-4, "warmup_steps": 0})
    shorter = training.model_copy(update={"optimiser": optimiser, "steps": 10, "checkpoint_every": 10, "log_every": 5})
    return standard.model_copy(
        update={
            "classifier": standard.classifier.model_copy(update={"frozen": True, "training": shorter}),
            "cams": standard.cams.model_copy(update={"size": 320, "scales": (1.0, 1.5)}),
        }
    )


CLASS_PRESETS = {"small": ClassSettings(), "few": _few(), "demo": _demo()}


def resolve_classes(
    preset: str = DEFAULT_CLASS_PRESET, values: Mapping[str, Any] | None = None, overrides: Iterable[str] = ()
) -> ClassSettings:
    """The settings of a preset, changed by values of a file, changed by overrides.

    `sepl=NAME` takes one of SEPL's presets; single knobs of it are `sepl.rule=or` and so on.

    Raises:
        SettingsError: an unknown preset or knob, or an impossible value.
    """
    if preset not in CLASS_PRESETS:
        raise SettingsError(f"unknown preset {preset!r} of classes; there are {', '.join(CLASS_PRESETS)}")
    changes = [values or {}, *map(parse_override, overrides)]
    return changed(CLASS_PRESETS[preset], map(_with_sepl_preset, changes))


def _with_sepl_preset(values: Mapping[str, Any]) -> dict[str, Any]:
    name = values.get("sepl")
    if not isinstance(name, str):
        return dict(values)
    if name not in SEPL_PRESETS:
        raise SettingsError(f"unknown SEPL preset {name!r}; there are {', '.join(SEPL_PRESETS)}")
    return {**values, "sepl": SEPL_PRESETS[name].model_dump()}
