"""What the UI shows of the way from tags to class masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import numpy as np

from assets.metadata import Metadata, picture
from ops.pictures import as_markdown
from ops.sepl.pictures import label_sheet
from ops.sepl.tag_stage import TagCounts
from ops.settings import LimitSettings
from ops.stages import Provenance
from stores.label_map_store import LabelShardReader
from stores.shards import ShardSource
from stores.tags import MatchedTags

if TYPE_CHECKING:
    from ops.sepl.classifier_stage import ClassifierReport
    from ops.sepl.semantic_stage import SemanticReport
    from ops.training_log import Entry


def of_tags(counts: TagCounts, classes: tuple[str, ...]) -> Metadata:
    """How tags and photos fit together."""
    return {
        "tagged_images": counts.tagged,
        "images_without_tags": counts.untagged,
        "tags_without_image": counts.unused,
        "classes": ", ".join(classes),
    }


def of_classifier(report: ClassifierReport, provenance: Provenance) -> Metadata:
    """mAP, by class too, and the loss curve."""
    records = [dg.TableRecord({"class": name, "AP": round(value, 4)}) for name, value in report.precision.items()]
    schema = dg.TableSchema([dg.TableColumn("class", "string"), dg.TableColumn("AP", "float")])
    return {
        "version": report.version,
        "reused": report.reused,
        "images": report.images,
        "held_out_images": report.held_out,
        "mAP": report.mean_precision,
        **({"average_precision": dg.MetadataValue.table(records, schema=schema)} if records else {}),
        **_of_history(report.history),
        "seconds": round(report.seconds, 1),
        "provenance": dg.MetadataValue.json(provenance),
    }


def of_semantic(report: SemanticReport, provenance: Provenance) -> Metadata:
    """Loss and speed."""
    return {
        "version": report.version,
        "reused": report.reused,
        "images": report.images,
        **_of_history(report.history),
        "seconds": round(report.seconds, 1),
        "provenance": dg.MetadataValue.json(provenance),
    }


def of_cams(reader: LabelShardReader, tags: MatchedTags, source: ShardSource, limits: LimitSettings) -> Metadata:
    """Pictures, and what could not be used."""
    return {
        **picture(label_sheet(source, [reader], reader, limits), "photos, activations, pseudo-labels"),
        "images_without_tags": len(tags.missing),
        "images_without_any_class": sum(not labels for labels in tags.of_key.values()),
        "tags_that_fired_nowhere": int(reader.counts("empty").sum()),
        "pixels_with_a_class": _labelled_share(reader),
    }


def of_sepl(reader: LabelShardReader, cams: LabelShardReader, source: ShardSource, limits: LimitSettings) -> Metadata:
    """Pictures before and after, and how many masks were used."""
    from ops.sepl.label_stages import SEPL_COUNTS

    counts = {name: reader.counts(name) for name in SEPL_COUNTS}
    return {
        **picture(label_sheet(source, [cams, reader], cams, limits), "photos, activations, pseudo-labels, repaired"),
        "images_without_masks": int((counts["masks"] == 0).sum()),
        "masks_used": int(counts["chosen"].sum()),
        "classes_for_which_no_mask_was_chosen": int(counts["bare"].sum()),
        "classes_that_vanished": int(counts["vanished"].sum()),
        "pixels_with_a_class": _labelled_share(reader),
    }


def of_predictions(reader: LabelShardReader, source: ShardSource, limits: LimitSettings) -> Metadata:
    """Pictures."""
    sheet = label_sheet(source, [reader], None, limits)
    return {**picture(sheet, "photos, what the network says"), "pixels_with_a_class": _labelled_share(reader)}


def _labelled_share(reader: LabelShardReader) -> float:
    shares = [np.count_nonzero((labels > 0) & (labels < 255)) / labels.size for _, labels in reader.items("labels")]
    return round(float(np.mean(shares)), 4) if shares else 0.0


def _of_history(history: list[Entry]) -> Metadata:
    if not history:
        return {}
    from ops.training_pictures import loss_curve, summary

    return {**summary(history), "loss_curve": dg.MetadataValue.md(as_markdown(loss_curve(history), "loss"))}
