"""What runs by itself, and when: read from a file, all of it off by default."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from ops.learning import DEFAULT_LEARNING_PRESET, resolve_learning
from ops.presets import DEFAULT_PRESET, SettingsError, read_settings_file, resolve_settings, validated
from ops.settings import Section
from pipelines.rounds import LearningRequest
from pipelines.runner import LabelRequest

AUTOMATION_VARIABLE = "UNSAM_AUTOMATION"
SHIPPED = Path(__file__).resolve().parent.parent / "configs" / "automation.yaml"


class Watching(Section):
    """The sensor for new and changed shards."""

    running: bool = False
    every_seconds: int = Field(60, ge=10)
    settle_seconds: float = Field(60, ge=0, description="a file must not have changed for so long")
    budget_seconds: float = Field(5, gt=0, description="a tick begins no further container after so long")


class Schedule(Section):
    """When something is run again."""

    running: bool = False
    cron: str
    timezone: str = "UTC"

    @field_validator("cron")
    @classmethod
    def _is_cron(cls, text: str) -> str:
        from dagster._utils.schedules import is_valid_cron_string

        if not is_valid_cron_string(text):
            raise ValueError("five fields are needed, as 0 2 * * * for two o'clock every night")
        return text


class Nightly(Schedule):
    """Labels that are stale."""

    cron: str = "0 2 * * *"
    most_shards: int = Field(1000, ge=1, le=1000, description="of a night; the rest waits for the next")


class Weekly(Schedule):
    """Training on all labels."""

    cron: str = "0 4 * * 0"
    least_new_shards: int = Field(10, ge=1, description="labelled since the last training")


class Switch(Section):
    """Something that is on or off."""

    running: bool = False


class Lateness(Section):
    """After how many days without a new value the UI calls an asset late."""

    labels_days: float = Field(8, gt=0)
    models_days: float = Field(15, gt=0)


class Requested(Section):
    """Settings of the runs that are asked for, as a preset and what differs from it."""

    preset: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)


class AutomationSettings(Section):
    """All of it."""

    labels: Requested = Requested()
    learning: Requested = Requested()
    new_shards: Watching = Watching()
    nightly: Nightly = Nightly()
    weekly: Weekly = Weekly()
    evaluation: Switch = Switch()
    freshness: Lateness = Lateness()

    @property
    def label_request(self) -> LabelRequest:
        return LabelRequest(self.labels.preset or DEFAULT_PRESET, self.labels.settings)

    @property
    def learning_request(self) -> LearningRequest:
        return LearningRequest(self.learning.preset or DEFAULT_LEARNING_PRESET, self.learning.settings)


def load_automation(path: str | Path | None = None) -> AutomationSettings:
    """The settings of a file; none named takes that of `UNSAM_AUTOMATION`, else the shipped one.

    Raises:
        SettingsError: it cannot be read, or something in it is wrong, the settings of runs included.
    """
    settings = validated(read_settings_file(path or os.environ.get(AUTOMATION_VARIABLE) or SHIPPED), AutomationSettings)
    try:
        resolve_settings(settings.label_request.preset, settings.label_request.values)
        resolve_learning(settings.learning_request.preset, settings.learning_request.values)
    except SettingsError as error:
        raise SettingsError(f"the settings of automatic runs: {error}") from error
    return settings
