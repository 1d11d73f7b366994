"""Settings from a preset, a file of one's own and single values, checked as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ops.settings import LabelSettings

PRESETS = Path(__file__).parent.parent / "configs"


class SettingsError(ValueError):
    """Settings that cannot be read or do not fit; says which key and why."""


def presets() -> list[str]:
    """Names of the presets that come with the project."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml") if _is_labels(path))


def load_settings(
    preset: str = "default", config_file: str | Path | None = None, overrides: Iterable[str] = ()
) -> LabelSettings:
    """Resolve settings; what is named later wins.

    Args:
        preset: one of `presets()`.
        config_file: YAML with any part of the settings tree.
        overrides: `section.key=value`, the value in YAML's notation.

    Raises:
        SettingsError: no such preset or file, no YAML, an unknown key, or a value out of its range.
    """
    if preset not in presets():
        raise SettingsError(f"no preset {preset!r}; there are {', '.join(presets())}")
    merged = _read(PRESETS / f"{preset}.yaml")
    if config_file is not None:
        merged = _merge(merged, _read(Path(config_file)))
    for override in overrides:
        merged = _merge(merged, _parse_override(override))
    try:
        return LabelSettings.model_validate(merged)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise SettingsError(f"settings do not fit: {problems}") from error


def _is_labels(path: Path) -> bool:
    content = yaml.safe_load(path.read_text("utf-8"))
    return content is None or (isinstance(content, dict) and set(content) <= set(LabelSettings.model_fields))


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is no YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path} holds a {type(content).__name__}; a mapping of settings is expected")
    return content


def _parse_override(override: str) -> dict[str, Any]:
    path, equals, value = override.partition("=")
    if not equals or not path:
        raise SettingsError(f"{override!r} is not of the form section.key=value")
    try:
        parsed: Any = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise SettingsError(f"the value of {path} is no YAML: {error}") from error
    for key in reversed(path.split(".")):
        parsed = {key: parsed}
    return parsed


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        both = isinstance(value, Mapping) and isinstance(below, Mapping)
        merged[key] = _merge(below, value) if both else value  # type: ignore[arg-type]
    return merged
