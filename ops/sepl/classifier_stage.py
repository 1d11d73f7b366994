"""The classifier of a home's tags: trained on the tagged photos of shards, measured on those that are held out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.backbone import best_device
from ops.class_samples import ClassSource, ShardPhotos
from ops.human_masks import is_selected
from ops.model_files import MODEL_FILE
from ops.presets import PRESETS, read_settings_file
from ops.sepl.class_settings import ClassifierSettings, ClassSettings
from ops.sepl.tag_stage import open_tags, tags_of_shards
from ops.stages import Provenance, Say
from ops.training_log import Entry
from ops.training_publication import history_of, publish_trained
from ops.training_settings import FREE_TO_CHANGE
from stores.home import Home
from stores.manifests import manifest_versions
from stores.versions import version_of

if TYPE_CHECKING:
    from models.image_classifier import ImageClassifier

ASSET = "image_classifier"
_MEASURED = "measured.json"
Targets = dict[str, dict[str, tuple[int, ...]]]


@dataclass(frozen=True)
class ClassifierReport:
    """What a classifier is and how good.

    Attributes:
        version: now current; reused: it was there already.
        images, held_out: photos that it learned from, and that it was measured on.
        mean_precision: mAP over the classes that occur among the held-out photos (among all where none is held out).
        precision: average precision by class.
        seconds: of this run.
        history: entries of `ops.training_log`; none where nothing was trained.
    """

    version: str
    reused: bool
    images: int
    held_out: int
    mean_precision: float
    precision: dict[str, float]
    seconds: float
    history: list[Entry] = field(default_factory=list)


def classifier_provenance(
    home: Home, code_version: str, tags: str, shards: Sequence[str], settings: ClassSettings, forced: str | None
) -> Provenance:
    """What decides the classifier: the tags, the exact photos, the settings.

    Raises:
        NoVersion: a shard has no manifest yet.
    """
    values = settings.model_dump(mode="json", include={"classifier"})
    if values["classifier"]["training"]:
        for name in FREE_TO_CHANGE:
            values["classifier"]["training"].pop(name)
    return {
        "asset": ASSET,
        "code": code_version,
        "inputs": {"image_tags": tags},
        "photos": {shard: manifest_versions(home, shard).readable() for shard in shards},
        "class_map": class_map(settings.classifier.class_map) if settings.classifier.class_map else None,
        "settings": values,
        "forced": forced,
    }


def train_classifier(home: Home, provenance: Provenance, settings: ClassSettings, log: Say | None) -> ClassifierReport:
    """Train what `provenance` names, unless it is there, measure and publish it.

    Raises:
        BadTags: no photo has tags.
        WeightsUnavailable, TrainingDiverged, UnfitSource: as the body and the trainer.
        ValueError: a class map that does not fit the body.
    """
    tags = open_tags(home, provenance["inputs"]["image_tags"])
    matched = tags_of_shards(home, tags, provenance["photos"])
    share = settings.classifier.held_out
    chosen, held = _split({shard: each.of_key for shard, each in matched.items()}, share)
    sources = {
        name: ShardPhotos(home, _vectors(each, len(tags.classes)), settings.limits)
        for name, each in {"chosen": chosen, "held": held if _count(held) else chosen}.items()
    }

    def work(folder: Path) -> None:
        from models.image_classifier import save_classifier

        folder.mkdir(parents=True, exist_ok=True)
        model = _trained(tags.classes, sources["chosen"], settings.classifier, provenance, folder, log)
        measured = average_precision(model, sources["held"], tags.classes, settings.cams.size)
        (folder / _MEASURED).write_text(json.dumps(measured))
        save_classifier(model, folder / MODEL_FILE)

    reused, seconds = publish_trained(home, provenance, work)
    version = version_of(provenance)
    precision = json.loads((home.versions_of(ASSET).content(version) / _MEASURED).read_bytes())
    mean = float(np.mean(list(precision.values()))) if precision else float("nan")
    history = history_of(home, ASSET, version)
    return ClassifierReport(version, reused, _count(chosen), _count(held), mean, precision, seconds, history)


def average_precision(
    model: ImageClassifier, source: ClassSource, classes: Sequence[str], size: int
) -> dict[str, float]:
    """Average precision of each class that occurs in the source, by name.

    Args:
        size: longer side in pixels of the classifier's input.
    """
    from sklearn.metrics import average_precision_score

    from ops.sepl.cams import whole_image

    model.eval()
    scores, truth = [], []
    for index in range(len(source)):
        image, tags = source[index]
        with torch.inference_mode():
            scores.append(model(whole_image(image, size).to(next(model.parameters()).device))[0].cpu().numpy())
        truth.append(tags)
    predicted, known = np.stack(scores), np.stack(truth)
    present = np.flatnonzero(known.any(axis=0)).tolist()
    return {classes[k]: float(average_precision_score(known[:, k], predicted[:, k])) for k in present}


def class_map(name: str) -> Mapping[str, list[int]]:
    """Classes of a body's own head by class of ours: a file, or one of `configs/class_maps/` by name.

    Raises:
        SettingsError: it cannot be read, or does not map names to lists of numbers.
    """
    from ops.presets import SettingsError

    path = PRESETS / "class_maps" / f"{name}.yaml"
    values = read_settings_file(path if path.is_file() else name)
    if not all(isinstance(own, list) and all(isinstance(each, int) for each in own) for own in values.values()):
        raise SettingsError(f"class map {name}: a list of class numbers for each name expected")
    return values


def _trained(
    classes: Sequence[str],
    source: ClassSource,
    settings: ClassifierSettings,
    provenance: Provenance,
    folder: Path,
    log: Say | None,
) -> ImageClassifier:
    from models.image_classifier import ImageClassifier, build_classifier
    from ops.class_training import ClassTask, tag_loss
    from ops.training import train

    device = best_device()
    known = provenance["class_map"]
    model = build_classifier(classes, settings.body, settings.stride, settings.frozen, known, settings.weights)
    if settings.training is None:
        return model.eval().to(device)
    task = ClassTask(model.to(device), source, tag_loss, settings.training, version_of(provenance))
    result = train(task, settings.training, folder, after_window=partial(_say, log, settings.training.steps))
    assert isinstance(result.model, ImageClassifier)
    return result.model.eval()


def _say(log: Say | None, steps: int, entry: Entry) -> None:
    if log:
        log(f"step {entry['step']:.0f} of {steps}: loss {entry['loss']:.3f}, {entry['images_per_second']:.2f} images/s")


def _split(targets: Mapping[str, Mapping[str, tuple[int, ...]]], share: float) -> tuple[Targets, Targets]:
    """Photos to learn from and photos to measure on, by a hash of their names."""
    chosen: Targets = {shard: {} for shard in targets}
    held: Targets = {shard: {} for shard in targets}
    for shard, keys in targets.items():
        for key, labels in keys.items():
            (held if is_selected(key, share) else chosen)[shard][key] = labels
    return chosen, held


def _vectors(targets: Targets, classes: int) -> dict[str, dict[str, partial[np.ndarray]]]:
    return {
        shard: {key: partial(_vector, labels, classes) for key, labels in keys.items()}
        for shard, keys in targets.items()
    }


def _vector(labels: tuple[int, ...], classes: int) -> np.ndarray:
    vector = np.zeros(classes, np.float32)
    vector[[label - 1 for label in labels]] = 1
    return vector


def _count(targets: Targets) -> int:
    return sum(len(keys) for keys in targets.values())
