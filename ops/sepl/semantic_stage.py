"""The segmentation network: trained on the label maps of shards, and its label map of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from models.backbone import best_device
from ops.class_samples import ClassSource, ShardPhotos
from ops.label_shards import UnfitLabels
from ops.model_files import MODEL_FILE
from ops.sepl.class_settings import ClassSettings
from ops.sepl.tag_stage import open_tags
from ops.stages import Provenance, Say
from ops.training_log import Entry
from ops.training_publication import history_of, publish_trained
from ops.training_settings import FREE_TO_CHANGE
from stores.home import Home
from stores.label_map_store import open_labels
from stores.versions import version_of

if TYPE_CHECKING:
    from models.semantic import SemanticModel

ASSET = "semantic_model"
LABELS = "sepl_labels"


@dataclass(frozen=True)
class SemanticReport:
    """What a training of the segmentation network did; see `ops.training_stage.TrainingReport`."""

    version: str
    reused: bool
    images: int
    seconds: float
    history: list[Entry] = field(default_factory=list)


def semantic_provenance(
    code_version: str, tags: str, versions: Mapping[str, str], settings: ClassSettings, forced: str | None
) -> Provenance:
    """What decides the network: the exact label maps and the settings; the tags name its classes."""
    values = settings.model_dump(mode="json", include={"semantic"})
    for name in FREE_TO_CHANGE:
        values["semantic"]["training"].pop(name)
    return {
        "asset": ASSET,
        "code": code_version,
        "inputs": {"image_tags": tags},
        "labels": {"asset": LABELS, "versions": dict(versions)},
        "settings": values,
        "forced": forced,
    }


def train_semantic(
    home: Home, provenance: Provenance, settings: ClassSettings, log: Say | None = None
) -> SemanticReport:
    """Train what `provenance` names, unless it is there, and publish it.

    Raises:
        UnfitLabels: there is no label map.
        WeightsUnavailable, TrainingDiverged, UnfitSource: as the body and the trainer.
    """
    version = version_of(provenance)
    source = _source(home, provenance["labels"]["versions"], settings)
    if not len(source):
        raise UnfitLabels(f"nothing to train {ASSET} on: no image of the shards has {LABELS}")
    labels = open_tags(home, provenance["inputs"]["image_tags"]).labels
    work = partial(_train, source, labels, version, settings, log)
    reused, seconds = publish_trained(home, provenance, work)
    return SemanticReport(version, reused, len(source), seconds, history_of(home, ASSET, version))


def predicted_labels(model: SemanticModel, image: np.ndarray, size: int) -> np.ndarray:
    """The likeliest label of each pixel of a uint8 RGB (H, W, 3) image, (H, W) uint8.

    Args:
        size: longer side in pixels of the network's input.
    """
    from ops.sepl.cams import whole_image

    with torch.inference_mode():
        logits = model(whole_image(image, size).to(next(model.parameters()).device))
        full = functional.interpolate(logits, image.shape[:2], mode="bilinear", align_corners=False)
        return full[0].argmax(dim=0).to(torch.uint8).cpu().numpy()


def _train(
    source: ClassSource, labels: Sequence[str], version: str, settings: ClassSettings, log: Say | None, folder: Path
) -> None:
    from models.semantic import SemanticModel, SemanticShape, build_semantic, save_semantic
    from ops.class_training import ClassTask, pixel_loss
    from ops.training import train

    own = settings.semantic
    device = best_device()
    torch.manual_seed(own.training.seed)
    model = build_semantic(SemanticShape(own.body, own.stride, own.width, tuple(labels)), own.weights)

    def say(entry: Entry) -> None:
        if log:
            log(f"step {entry['step']:.0f} of {own.training.steps}: loss {entry['loss']:.3f}")

    task = ClassTask(model.to(device), source, pixel_loss, own.training, version)
    result = train(task, own.training, folder, after_window=say)
    assert isinstance(result.model, SemanticModel)
    save_semantic(result.model, folder / MODEL_FILE)


def _source(home: Home, versions: Mapping[str, str], settings: ClassSettings) -> ShardPhotos:
    targets = {}
    for shard, version in versions.items():
        reader = open_labels(home, LABELS, shard, version)
        targets[shard] = {key: partial(reader.layer, key, "labels") for key in reader.keys}
    return ShardPhotos(home, targets, settings.limits)
