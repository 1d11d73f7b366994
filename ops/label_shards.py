"""The labels of many shards as one training set: exactly the versions that are named, or an error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

import numpy as np

from ops.drawing import is_drawn
from ops.settings import LimitSettings
from ops.stage_workers import REFUSABLE, read_image
from ops.training_source import UnfitSource
from stores.home import Home
from stores.manifests import source_of
from stores.mask_store import MaskShardReader, open_masks
from stores.masks import SOURCES, MaskSet
from stores.shards import ShardReader
from stores.versions import NoVersion

_NAMED = 5
_OF_ALL_SHARDS = ("image_tags", "image_classifier")
_FEWEST_HELD_OUT = 20


class UnfitLabels(RuntimeError):
    """Shards whose labels are missing or made from what is not current any more; the message names them."""


def label_versions(home: Home, asset: str, shards: Iterable[str]) -> dict[str, str]:
    """The version of an asset's labels for every shard, each made from what is current now.

    Raises:
        UnfitLabels: some have none, or an old one; a model of half the data would look like one of all.
    """
    versions: dict[str, str] = {}
    problems = []
    for shard in shards:
        version, reasons = _state(home, asset, shard)
        problems += [f"{shard}: {reason}" for reason in reasons]
        if version:
            versions[shard] = version
    if not versions and not problems:
        problems.append("no shard is registered")
    if problems:
        more = f" (and {len(problems) - _NAMED} more)" if len(problems) > _NAMED else ""
        raise UnfitLabels(
            f"nothing was trained, {len(problems)} shards are not ready: {'; '.join(problems[:_NAMED])}{more}. "
            f"Materialise {asset} of these shards, or name those to train on"
        )
    return versions


def current_labels(home: Home, asset: str, shard: str) -> MaskShardReader:
    """An asset's masks of one shard, made from what is current now.

    Raises:
        UnfitLabels: there are none, or old ones.
    """
    version, reasons = _state(home, asset, shard)
    if reasons:
        raise UnfitLabels(f"{shard}: {'; '.join(reasons)}. Materialise {asset} of this shard first")
    return open_masks(home, asset, shard, version)


def _state(home: Home, asset: str, shard: str) -> tuple[str | None, list[str]]:
    """The current version, if there is one, and why it cannot be learned from."""
    try:
        version = home.versions_of(asset, shard).readable()
    except NoVersion:
        return None, [f"has no {asset}"]
    return version, list(_outdated(home, asset, shard))


def _outdated(home: Home, asset: str, shard: str) -> Iterator[str]:
    """Why the current version does not follow from what is current before it."""
    inputs: Mapping[str, str] = home.versions_of(asset, shard).provenance().get("inputs", {})
    for name, version in inputs.items():
        of_all = name.endswith("_model") or name in _OF_ALL_SHARDS
        current = home.versions_of(name, None if of_all else shard).current()
        if current != version:
            yield f"its {asset} was made from {name} {version}, which is now {current}"
        elif not of_all:
            yield from _outdated(home, name, shard)


@dataclass(frozen=True)
class _Shard:
    photos: ShardReader
    masks: MaskShardReader


class ShardLabels:
    """A `TrainingSource` over the labelled images of shards, read when asked for; safe in threads.

    Args:
        versions: of the labels, by shard.
        limits: what is refused as an image.

    Attributes:
        places: shard and key of each photo, in the order of their indices.
    """

    def __init__(self, home: Home, asset: str, versions: Mapping[str, str], limits: LimitSettings) -> None:
        self._limits = limits
        self._lock = Lock()
        self._shards = {
            shard: _Shard(source_of(home, shard).open(), open_masks(home, asset, shard, version))
            for shard, version in versions.items()
        }
        self.places = [(shard, key) for shard, labels in self._shards.items() for key in labels.masks.keys]

    def __len__(self) -> int:
        return len(self.places)

    def with_human_masks(self) -> ShardLabels:
        """Only the photos that have a human mask among their labels; no photo is read to tell."""
        return self._only([place for place in self.places if place in self._annotated])

    def without_human_masks(self) -> ShardLabels:
        """Only the other photos."""
        return self._only([place for place in self.places if place not in self._annotated])

    def held_out(self, share: float) -> ShardLabels:
        """A share of the photos without human masks, by key, whatever other shards there are; none if too few."""
        drawn = [place for place in self.places if is_drawn(place[1], share, b"held out")]
        chosen = [place for place in drawn if place not in self._annotated]
        return self._only(chosen if len(chosen) >= _FEWEST_HELD_OUT else [])

    def without(self, others: ShardLabels) -> ShardLabels:
        """Only the photos that are not among others."""
        left_out = set(others.places)
        return self._only([place for place in self.places if place not in left_out])

    def _only(self, places: list[tuple[str, str]]) -> ShardLabels:
        chosen = copy(self)
        chosen.places = places
        return chosen

    @cached_property
    def _annotated(self) -> set[tuple[str, str]]:
        """Shard and key of the photos with a human mask."""
        found = set()
        for shard, labels in self._shards.items():
            columns = labels.masks.columns()
            human = np.unique(columns["image"][columns["source"] == SOURCES.index("human")])
            found |= {(shard, labels.masks.keys[image]) for image in human.tolist()}
        return found

    def __getitem__(self, index: int) -> tuple[np.ndarray, MaskSet]:
        """One photo (H, W, 3) and its labels.

        Raises:
            UnfitSource: the photo cannot be read any more, or is of another size than its labels.
        """
        shard, key = self.places[index]
        labels = self._shards[shard]
        with self._lock:
            masks = labels.masks[key]
        try:
            image = read_image(labels.photos, key, self._limits)
        except REFUSABLE as error:
            raise UnfitSource(f"{key} of {shard}: {error}; materialise the shard again") from error
        if image.shape[:2] != tuple(masks.size):
            raise UnfitSource(
                f"{key} of {shard}: the photo is {image.shape[:2]}, its masks are of (H, W) {masks.size}; "
                "materialise the shard again"
            )
        return image, masks
