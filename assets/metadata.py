"""What the UI shows of a materialisation: counts, throughput, seconds by phase, reasons, pictures."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg
import numpy as np

from ops.pictures import as_markdown
from ops.stages import StageReport
from stores.manifests import Manifest

Metadata = dict[str, dg.MetadataValue]


def of_manifest(manifest: Manifest) -> Metadata:
    """Counts, and a row for every image that is set aside."""
    return {
        "images": dg.MetadataValue.int(len(manifest.keys)),
        "quarantined": dg.MetadataValue.int(len(manifest.quarantined)),
        "bytes": dg.MetadataValue.int(sum(entry.bytes for entry in manifest.entries)),
        "skipped": dg.MetadataValue.json(manifest.skipped),
        "problems": dg.MetadataValue.json(list(manifest.problems)),
        "quarantine": _reasons(manifest.quarantined),
    }


def of_stage(report: StageReport) -> Metadata:
    """Counts, throughput and where the time went."""
    phases = {name: round(seconds, 3) for name, seconds in report.phases.items()}
    return {
        "version": dg.MetadataValue.text(report.version),
        "images": dg.MetadataValue.int(report.images - len(report.failed)),
        "computed": dg.MetadataValue.int(report.computed),
        "quarantined": dg.MetadataValue.int(len(report.failed)),
        "seconds": dg.MetadataValue.float(round(report.seconds, 3)),
        "images_per_second": dg.MetadataValue.float(round(report.computed / max(report.seconds, 1e-9), 3)),
        "seconds_by_phase": dg.MetadataValue.json(phases),
        "quarantine": _reasons(report.failed),
    }


def of_masks(counts: np.ndarray) -> Metadata:
    """How many masks the images of a shard have; `counts` (images,)."""
    return {
        "masks": dg.MetadataValue.int(int(counts.sum())),
        "masks_per_image": dg.MetadataValue.float(float(counts.mean()) if len(counts) else 0.0),
        "fewest_masks": dg.MetadataValue.int(int(counts.min(initial=0) if not len(counts) else counts.min())),
        "most_masks": dg.MetadataValue.int(int(counts.max(initial=0))),
    }


def picture(sheet: np.ndarray, caption: str) -> Metadata:
    """A picture (H, W, 3) uint8 of under 150 kB, since every byte stays in the event log."""
    return {"pictures": dg.MetadataValue.md(as_markdown(sheet, caption))}


def _reasons(reasons: Mapping[str, str]) -> dg.MetadataValue:
    records = [dg.TableRecord({"image": key, "reason": reason}) for key, reason in reasons.items()]
    columns = [dg.TableColumn("image", "string"), dg.TableColumn("reason", "string")]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns))
