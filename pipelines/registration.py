"""From paths and URLs to registered shards and their Dagster partitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from pipelines.instance import add_partitions
from stores.home import Home
from stores.location import Location
from stores.manifests import register, registered, source_of
from stores.sa1b import check_distinct
from stores.shards import SHARD_SIZE, ShardSource, discover
from stores.watched import WatchedSource, watch, watchable


@dataclass(frozen=True)
class Registration:
    """What registering paths found: the new shards, and those that held some of the images before."""

    new: tuple[ShardSource, ...]
    known: tuple[ShardSource, ...]

    @property
    def shards(self) -> list[str]:
        return [source.shard for source in (*self.known, *self.new)]


def register_paths(
    home: Home, instance: dg.DagsterInstance, paths: Sequence[str], shard_size: int = SHARD_SIZE
) -> Registration:
    """Register the images of every path; those that a shard holds already stay where they are.

    Raises:
        FileNotFoundError, ValueError, UnsafeArchive: as `stores.shards.discover`; nothing is registered then.
        SameImageTwice: an SA-1B image is there already, in another tar; likewise.
    """
    before = [source_of(home, shard) for shard in registered(home)]
    new: list[ShardSource] = []
    for path in paths:
        new += discover(path, shard_size=shard_size, known=[*before, *new])
    check_distinct([*before, *new])
    register(home, new)
    watch(home, [WatchedSource(url=Location(path).url, shard_size=shard_size) for path in paths if watchable(path)])
    add_partitions(instance, [source.shard for source in (*before, *new)])
    return Registration(new=tuple(new), known=tuple(source for source in before if members_below(source, paths)))


def members_below(source: ShardSource, paths: Sequence[str]) -> list[str]:
    """Keys of a shard's images that lie at or below one of `paths`; all of them where the shard's tar does."""
    roots = [Location(path).url.rstrip("/") for path in paths]
    return [
        member.key
        for member in source.members
        if any(
            f"{source.url}/{member.key}".startswith(f"{root}/") or root == f"{source.url}/{member.key}"
            for root in roots
        )
    ]
