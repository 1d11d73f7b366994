"""The options of the command line as a request for a run, checked before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ops.presets import SettingsError, read_settings_file, resolve_settings
from pipelines.commands.console import errors_in_one_line
from pipelines.runner import LabelRequest


def request_of(
    preset: str, config: Path | None, overrides: Sequence[str], backbone: str | None, recipe: str | None, force: bool
) -> LabelRequest:
    """A request whose settings resolve; a wrong one ends the command with its reason."""
    extra = [f"backbone.name={backbone}"] if backbone else []
    extra += [f"recipe={recipe}"] if recipe else []
    with errors_in_one_line(SettingsError):
        values = read_settings_file(config) if config else {}
        resolve_settings(preset, values, [*overrides, *extra])
    return LabelRequest(preset, values, (*overrides, *extra), force)
