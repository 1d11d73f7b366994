"""Which labels of which shards are not what the code, the settings and their inputs would give now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ops.label_provenance import divide_provenance, feature_provenance, hierarchy_provenance
from ops.settings import LabelSettings
from stores.home import Home
from stores.versions import version_of

LABEL_ASSETS = ("shard_manifest", "dino_features", "ncut_masks", "hierarchical_masks")
_UPSTREAM = {
    "dino_features": ("shard_manifest",),
    "ncut_masks": ("shard_manifest", "dino_features"),
    "hierarchical_masks": ("ncut_masks",),
}
_DECIDING = ("code", "inputs", "settings", "weights")
_REMOTE_READERS = 32


class Freshness(StrEnum):
    """How a stored value stands to what would be made now."""

    MISSING = "missing"
    STALE = "stale"
    FRESH = "fresh"


@dataclass(frozen=True)
class ValueState:
    """One asset's value for one shard.

    Attributes:
        reason: what has changed since a stale one was made: code, inputs, settings, weights, or an asset before it.
    """

    freshness: Freshness
    reason: str = ""


ShardStates = dict[str, ValueState]


@dataclass(frozen=True)
class LabelRecipe:
    """What decides labels besides the images.

    Attributes:
        code: version of each stage's code, by asset.
        weights: hash of the backbone's weights; None leaves them out of the comparison, which spares loading them.
    """

    settings: LabelSettings
    code: Mapping[str, str]
    weights: str | None = None
    templates: Mapping[str, dict[str, Any]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        made = {
            "dino_features": feature_provenance(self.code["dino_features"], "", self.settings, self.weights, None),
            "ncut_masks": divide_provenance(self.code["ncut_masks"], "", "", self.settings, None),
            "hierarchical_masks": hierarchy_provenance(self.code["hierarchical_masks"], "", self.settings, None),
        }
        object.__setattr__(self, "templates", made)

    def expected(self, asset: str, inputs: Mapping[str, str]) -> dict[str, Any]:
        """The provenance that a value made now, from `inputs` (version by asset), would get."""
        return {**self.templates[asset], "inputs": dict(inputs)}


def label_states(home: Home, shards: Iterable[str], recipe: LabelRecipe) -> dict[str, ShardStates]:
    """State by shard and asset of every stage of the labels.

    Only pointers and provenance are read. Whether the files of a shard have changed is not looked at: the sensor, or
    a run, does that.
    """
    return _by_shard(home, shards, lambda shard: _states(home, shard, recipe))


def stored_states(home: Home, shards: Iterable[str], assets: Iterable[str]) -> dict[str, ShardStates]:
    """State by shard and asset, judged by the versions of its inputs only: stale where one of them is not current."""
    names = list(assets)
    return _by_shard(home, shards, lambda shard: {name: _stored_state(home, name, shard) for name in names})


def _by_shard(home: Home, shards: Iterable[str], state: Callable[[str], ShardStates]) -> dict[str, ShardStates]:
    names = list(shards)
    if home.location.is_local:
        return {shard: state(shard) for shard in names}
    with ThreadPoolExecutor(_REMOTE_READERS) as pool:
        return dict(zip(names, pool.map(state, names), strict=True))


def _states(home: Home, shard: str, recipe: LabelRecipe) -> ShardStates:
    current = {asset: home.versions_of(asset, shard).current() for asset in LABEL_ASSETS}
    states = {LABEL_ASSETS[0]: ValueState(Freshness.FRESH if current[LABEL_ASSETS[0]] else Freshness.MISSING)}
    for asset in LABEL_ASSETS[1:]:
        states[asset] = _state(home, asset, shard, current, states, recipe)
    return states


def _state(
    home: Home,
    asset: str,
    shard: str,
    current: Mapping[str, str | None],
    states: Mapping[str, ValueState],
    recipe: LabelRecipe,
) -> ValueState:
    version = current[asset]
    if version is None:
        return ValueState(Freshness.MISSING)
    for upstream in _UPSTREAM[asset]:
        if states[upstream].freshness is not Freshness.FRESH:
            return ValueState(Freshness.STALE, f"{upstream} is {states[upstream].freshness}")
    expected = recipe.expected(asset, {name: str(current[name]) for name in _UPSTREAM[asset]})
    if version_of(expected) == version:
        return ValueState(Freshness.FRESH)
    changed = list(_changes(home.versions_of(asset, shard).provenance(version), expected))
    return ValueState(Freshness.STALE, ", ".join(changed)) if changed else ValueState(Freshness.FRESH)


def _changes(stored: Mapping[str, Any], expected: Mapping[str, Any]) -> Iterator[str]:
    """What differs; that a value was forced once does not make it stale."""
    for name in _DECIDING:
        if (name != "weights" or expected.get(name) is not None) and stored.get(name) != expected.get(name):
            yield name


def _stored_state(home: Home, asset: str, shard: str) -> ValueState:
    versions = home.versions_of(asset, shard)
    version = versions.current()
    if version is None:
        return ValueState(Freshness.MISSING)
    for name, used in versions.provenance(version).get("inputs", {}).items():
        if used not in (home.versions_of(name, shard).current(), home.versions_of(name).current()):
            return ValueState(Freshness.STALE, f"{name} has changed")
    return ValueState(Freshness.FRESH)
