"""What the UI shows of a promptable model: its loss, its labels, and its answers to clicks on a few photos."""

from __future__ import annotations

from typing import TYPE_CHECKING

from assets.metadata import Metadata, of_trained, picture
from ops.label_shards import ShardLabels
from ops.model_files import model_location
from ops.promptable.settings import PromptableSettings
from ops.stages import Provenance
from stores.home import Home

if TYPE_CHECKING:
    from ops.training_stage import TrainingReport


def of_promptable(home: Home, report: TrainingReport, provenance: Provenance, settings: PromptableSettings) -> Metadata:
    """What `metadata.of_trained` has, and the answers to a click on some of its photos."""
    from ops.promptable.files import load_promptable_at
    from ops.promptable.pictures import click_sheet

    labels = provenance["labels"]
    model = load_promptable_at(model_location(home, provenance["asset"], report.version))
    source = ShardLabels(home, labels["asset"], labels["versions"], settings.limits)
    answers = picture(click_sheet(model, source), "a click, and what it may mean, best first")
    return of_trained(report, provenance, model) | answers
