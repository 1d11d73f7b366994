"""What the UI shows of a promptable model: its loss, its labels, and its answers to clicks on a few photos."""

from __future__ import annotations

import dagster as dg

from assets.metadata import Metadata, picture
from ops.label_shards import ShardLabels
from ops.model_files import model_location
from ops.pictures import as_markdown
from ops.promptable.files import load_promptable_at
from ops.promptable.pictures import click_sheet
from ops.promptable.settings import PromptableSettings
from ops.stages import Provenance
from ops.training_pictures import loss_curve, summary
from ops.training_stage import TrainingReport
from stores.home import Home


def of_promptable(home: Home, report: TrainingReport, provenance: Provenance, settings: PromptableSettings) -> Metadata:
    """Loss, speed, the exact labels, the loss curve and the answers to a click on some of its photos."""
    labels = provenance["labels"]
    model = load_promptable_at(model_location(home, provenance["asset"], report.version))
    source = ShardLabels(home, labels["asset"], labels["versions"], settings.limits)
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
        **picture(click_sheet(model, source), "a click, and what it may mean, best first"),
        "trained_on": dg.MetadataValue.json(labels["versions"]),
        "provenance": dg.MetadataValue.json(provenance),
    }
