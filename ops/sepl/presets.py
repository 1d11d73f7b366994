"""SEPL's settings by preset and override."""

from __future__ import annotations

from collections.abc import Iterable

from ops.presets import SettingsError, changed, parse_override
from ops.sepl.settings import DEFAULT_SEPL_PRESET, SEPL_PRESETS, SeplSettings


def resolve_sepl(preset: str = DEFAULT_SEPL_PRESET, overrides: Iterable[str] = ()) -> SeplSettings:
    """The settings of a preset, changed by overrides such as `mask_share=0.6`.

    Raises:
        SettingsError: an unknown preset or knob, or an impossible value.
    """
    if preset not in SEPL_PRESETS:
        raise SettingsError(f"unknown SEPL preset {preset!r}; there are {', '.join(SEPL_PRESETS)}")
    return changed(SEPL_PRESETS[preset], map(parse_override, overrides))
