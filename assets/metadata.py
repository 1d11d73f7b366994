"""What the UI shows of a materialisation: counts, throughput, seconds by phase, reasons, pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np

from ops.label_shards import ShardLabels
from ops.learning import LearningSettings
from ops.model_files import load_model, model_location
from ops.pictures import as_markdown
from ops.stages import Provenance, StageReport
from stores.home import Home
from stores.manifests import Manifest
from stores.mask_store import MaskShardReader
from stores.masks import SOURCES

if TYPE_CHECKING:
    from torch import nn

    from ops.plus_stage import PlusInputs
    from ops.training_stage import TrainingReport

Metadata = dict[str, Any]


def of_manifest(manifest: Manifest, still_true: bool) -> Metadata:
    """Counts, and a row for every image that is set aside."""
    return {
        "version": manifest.fingerprint,
        "reused": still_true,
        "images": len(manifest.keys),
        "megabytes": round(sum(entry.bytes for entry in manifest.entries) / 1e6, 3),
        "skipped": dg.MetadataValue.json(manifest.skipped),
        "problems": dg.MetadataValue.json(list(manifest.problems)),
        **_quarantine(manifest.quarantined),
    }


def of_stage(report: StageReport, provenance: Provenance) -> Metadata:
    """Counts, throughput, where the time went, and what decided the result."""
    return {
        "version": report.version,
        "reused": report.computed == 0,
        "images": report.images,
        "images_computed": report.computed,
        "images_resumed": report.images - report.computed,
        "seconds": round(report.seconds, 3),
        "images_per_second": round(report.computed / max(report.seconds, 1e-9), 3),
        "worker_seconds_by_phase": _seconds(report.phases),
        "provenance": dg.MetadataValue.json(provenance),
    }


def of_masks(masks: MaskShardReader) -> Metadata:
    """How many masks the images of a shard have, and which images could not be done."""
    counts = masks.counts()
    return {
        "images_without_masks": int((counts == 0).sum()),
        "masks": int(counts.sum()),
        "masks_per_image": round(float(counts.mean()), 2) if len(counts) else 0.0,
        "most_masks": int(counts.max(initial=0)),
        **_quarantine(masks.failed),
    }


def by_source(masks: MaskShardReader) -> Metadata:
    """How many masks of a shard came from where."""
    counts = np.bincount(masks.columns()["source"], minlength=len(SOURCES))
    return {f"masks_from_{SOURCES[index]}": int(counts[index]) for index in np.flatnonzero(counts)}


def of_union(inputs: PlusInputs, labels: MaskShardReader) -> Metadata:
    """How many unsupervised masks stay beside the human ones, and how many images have human ones."""
    human = int(inputs.human.counts().sum())
    kept = int(labels.counts().sum()) - human
    return {
        "annotated_images": len(inputs.human.keys),
        "human_masks": human,
        "unsupervised_masks_kept": kept,
        "unsupervised_masks_dropped": int(inputs.unsupervised.counts().sum()) - kept,
        "unsupervised_masks_from": inputs.unsupervised_asset,
    }


def of_training(home: Home, report: TrainingReport, provenance: Provenance, settings: LearningSettings) -> Metadata:
    """What `of_trained` has, and what the model finds on a few of its photos."""
    from ops.training_pictures import sample_sheet

    labels = provenance["labels"]
    model = load_model(model_location(home, provenance["asset"], report.version))
    source = ShardLabels(home, labels["asset"], labels["versions"], settings.limits)
    sheet = sample_sheet(model, source, settings.prediction)
    return of_trained(report, provenance, model) | picture(sheet, "photos, what was learned from, what is found")


def of_trained(report: TrainingReport, provenance: Provenance, model: nn.Module) -> Metadata:
    """Loss, speed, the exact labels, and the loss curve of a model of any kind."""
    from ops.training_pictures import loss_curve, summary

    labels = provenance["labels"]
    return {
        "version": report.version,
        "reused": report.reused,
        "shards": len(labels["versions"]),
        "images": report.images,
        "steps": report.steps,
        "seconds": round(report.seconds, 1),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        **summary(report.history),
        "loss_curve": dg.MetadataValue.md(as_markdown(loss_curve(report.history), "loss")),
        "trained_on": dg.MetadataValue.json(labels["versions"]),
        "provenance": dg.MetadataValue.json(provenance),
    }


def picture(sheet: np.ndarray, caption: str) -> Metadata:
    """A picture (H, W, 3) uint8 of under 150 kB, since every byte stays in the event log."""
    return {"pictures": dg.MetadataValue.md(as_markdown(sheet, caption))}


def _quarantine(reasons: Mapping[str, str]) -> Metadata:
    records = [dg.TableRecord({"image": key, "reason": reason}) for key, reason in reasons.items()]
    schema = dg.TableSchema([dg.TableColumn("image", "string"), dg.TableColumn("reason", "string")])
    table = {"quarantined_images": dg.MetadataValue.table(records, schema=schema)} if records else {}
    return {"quarantined": len(reasons), **table}


def _seconds(phases: Mapping[str, float]) -> dg.MetadataValue:
    total = sum(phases.values()) or 1.0
    records = [
        dg.TableRecord({"phase": name, "seconds": round(seconds, 3), "share": f"{seconds / total:.0%}"})
        for name, seconds in sorted(phases.items(), key=lambda item: -item[1])
    ]
    columns = [dg.TableColumn("phase", "string"), dg.TableColumn("seconds", "float"), dg.TableColumn("share", "string")]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns))
