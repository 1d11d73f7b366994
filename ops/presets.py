"""Settings from presets, files and single overrides: merged in that order, then checked."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import BaseModel, ValidationError

from ops.settings import LabelSettings

PRESETS = Path(__file__).resolve().parent.parent / "configs"
DEFAULT_PRESET = "default"
_NO_PRESETS = {"datasets"}
Settings = TypeVar("Settings", bound=BaseModel)


@dataclass(frozen=True)
class Labelling:
    """What a run is asked for.

    Attributes:
        settings: decide which masks an image gets.
        force: compute again what is fresh.
    """

    settings: LabelSettings
    force: bool = False

    def forced_by(self, run_id: str) -> str | None:
        """What makes versions of a forced run new, and the same when the run tries a stage again."""
        return run_id if self.force else None


class SettingsError(ValueError):
    """A preset, file or override that does not make valid settings; the message says where and what instead."""


def preset_names() -> list[str]:
    """Names of the presets that ship in configs/."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml") if path.stem not in _NO_PRESETS)


def load_settings(
    preset: str = DEFAULT_PRESET, file: str | Path | None = None, overrides: Iterable[str] = ()
) -> LabelSettings:
    """The settings of a preset, changed by a YAML file, changed by overrides.

    Args:
        preset: one of `preset_names()`.
        file: YAML of the same shape as the presets; only what differs.
        overrides: `section.knob=value` each, the value in YAML.

    Raises:
        SettingsError: an unknown preset, a file that cannot be read, an unknown knob or an impossible value.
    """
    return resolve_settings(preset, {} if file is None else read_settings_file(file), overrides)


def resolve_settings(
    preset: str = DEFAULT_PRESET, values: Mapping[str, Any] | None = None, overrides: Iterable[str] = ()
) -> LabelSettings:
    """As `load_settings`, with the values that a file would hold.

    Raises:
        SettingsError: an unknown preset or knob, or an impossible value.
    """
    resolved = merged(preset_values(preset), values or {})
    for override in overrides:
        resolved = merged(resolved, parse_override(override))
    return validated(resolved, LabelSettings)


def preset_values(preset: str) -> dict[str, Any]:
    """What a preset sets; what it does not mention stays at its default.

    Raises:
        SettingsError: there is no preset of that name.
    """
    if preset not in preset_names():
        hint = _did_you_mean(preset, preset_names())
        raise SettingsError(f"unknown preset {preset!r}{hint}; there are {', '.join(preset_names())}")
    return read_settings_file(PRESETS / f"{preset}.yaml")


def parse_override(override: str) -> dict[str, Any]:
    """`divide.max_masks=5` as `{"divide": {"max_masks": 5}}`.

    Raises:
        SettingsError: no `=`, an empty name, or a value that is no YAML.
    """
    path, equals, text = override.partition("=")
    names = path.strip().split(".")
    if not equals or not all(names):
        raise SettingsError(f"{override!r} is not of the form section.knob=value, such as divide.max_masks=5")
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"the value in {override!r} is no YAML: {error}") from error
    for name in reversed(names):
        values = {name: values}
    return values


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes` written over it, section by section."""
    result = dict(base)
    for name, value in changes.items():
        below = result.get(name)
        result[name] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result


def changed(settings: Settings, changes: Iterable[Mapping[str, Any]]) -> Settings:
    """Settings with each of `changes` written over them, in that order.

    Raises:
        SettingsError: an unknown knob or an impossible value.
    """
    values = settings.model_dump()
    for change in changes:
        values = merged(values, change)
    return validated(values, type(settings))


def validated(values: Mapping[str, Any], kind: type[Settings]) -> Settings:
    """Values as settings of a kind.

    Raises:
        SettingsError: all that is wrong with them, one line each.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise SettingsError("\n".join(_explained(problem, kind) for problem in error.errors())) from error


def read_settings_file(path: str | Path) -> dict[str, Any]:
    """The values of a YAML file, not checked yet.

    Raises:
        SettingsError: it cannot be read, or does not map sections to knobs.
    """
    try:
        values = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise SettingsError(f"settings file {path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"settings file {path} is no YAML: {error}") from error
    if not isinstance(values, dict):
        raise SettingsError(f"settings file {path} must map sections to knobs, such as divide: {{max_masks: 5}}")
    return values


def changed_values(settings: BaseModel) -> dict[str, Any]:
    """What differs from the defaults, as JSON values that `validated` takes back."""
    return settings.model_dump(mode="json", exclude_defaults=True)


def _explained(problem: Any, kind: type[BaseModel]) -> str:
    *sections, knob = (str(part) for part in problem["loc"]) if problem["loc"] else ("settings",)
    if problem["type"] != "extra_forbidden":
        return f"{'.'.join([*sections, knob])}: {problem['msg']}, got {problem['input']!r}"
    known = list(_section(sections, kind).model_fields)
    place = f"section {'.'.join(sections)}" if sections else "settings"
    return f"unknown knob {knob!r} in {place}{_did_you_mean(knob, known)}; there are {', '.join(known)}"


def _section(path: Iterable[str], section: type[BaseModel]) -> type[BaseModel]:
    for name in path:
        section = cast(type[BaseModel], section.model_fields[name].annotation)
    return section


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f", did you mean {close[0]!r}?" if close else ""
