"""The options of the command line as a request for a run, checked before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ops.presets import SettingsError, load_settings
from pipelines.commands.console import errors_in_one_line
from pipelines.runner import LabelRequest


def request_of(
    preset: str, config: Path | None, overrides: Sequence[str], backbone: str | None, recipe: str | None, force: bool
) -> LabelRequest:
    """A request whose settings resolve; a wrong one ends the command with its reason."""
    extra = [f"backbone.name={backbone}"] if backbone else []
    extra += [f"recipe={recipe}"] if recipe else []
    config_file = str(config.absolute()) if config else None
    with errors_in_one_line(SettingsError):
        load_settings(preset, config_file, [*overrides, *extra])
    return LabelRequest(preset, config_file, (*overrides, *extra), force)
