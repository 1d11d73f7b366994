"""What has come to the watched sources since the last look: new shards, and shards whose files are other ones."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel

from stores.containers import Container, list_containers, stamp_of
from stores.home import Home
from stores.manifests import register, registered, reregister, source_of
from stores.shards import ShardSource, discover, relocated, shard_prefix
from stores.tars import UnsafeArchive
from stores.watched import WatchedSource, watched

MOST_SHARDS = 1000
_LABELS = "hierarchical_masks"
_UNREADABLE = (FileNotFoundError, PermissionError, ValueError, UnsafeArchive)


class Sighting(BaseModel):
    """A container as it was seen last.

    Attributes:
        stamp: its look. since: when it looked so first, seconds since the epoch.
        done: the look at which its shards were registered; empty before that.
    """

    stamp: str
    since: float
    done: str = ""


class Memory(BaseModel):
    """What is remembered from look to look: a sensor's cursor.

    Attributes:
        containers: sighting by the container's short name.
        shards: stamp of the files by shard, when a run of it was last asked for or found not needed.
    """

    containers: dict[str, Sighting] = {}
    shards: dict[str, str] = {}


@dataclass
class Look:
    """What a look found.

    Attributes:
        wanted: stamp of the files by shard that is to be labelled.
        settling: containers that have changed lately, so that they may still be written.
        waiting: containers that have settled and are left to the next look.
        problems: what could not be read, a sentence each.
    """

    memory: Memory
    wanted: dict[str, str] = field(default_factory=dict)
    settling: int = 0
    waiting: int = 0
    problems: list[str] = field(default_factory=list)


def look(home: Home, memory: Memory, settle_seconds: float, budget_seconds: float, now: float | None = None) -> Look:
    """Look at every watched source; register the shards of what has settled.

    Args:
        settle_seconds: how long a container must look the same before it is read: one that is being written does not.
        budget_seconds: after so long, and after 1000 shards, what is left waits for the next look; one container is
            always read.
        now: seconds since the epoch.
    """
    moment = time.time() if now is None else now
    deadline = time.monotonic() + budget_seconds
    found = Look(memory.model_copy(deep=True))
    known: Mapping[str, list[str]] | None = None
    for source, container in _containers(home, found):
        sighting = _seen(found.memory, container, moment)
        if sighting.done == container.stamp:
            continue
        if moment - sighting.since < settle_seconds:
            found.settling += 1
        elif found.wanted and (len(found.wanted) >= MOST_SHARDS or time.monotonic() > deadline):
            found.waiting += 1
        else:
            known = _by_prefix(home) if known is None else known
            _read(home, source, container, known.get(shard_prefix(container.url), []), found)
            sighting.done = container.stamp
    return found


def _containers(home: Home, found: Look) -> Iterator[tuple[WatchedSource, Container]]:
    seen: set[str] = set()
    for source in watched(home):
        try:
            containers = list_containers(source.url)
        except _UNREADABLE as error:
            found.problems.append(f"{source.url}: {error}")
            continue
        for container in containers:
            if container.url not in seen:
                seen.add(container.url)
                yield source, container


def _seen(memory: Memory, container: Container, moment: float) -> Sighting:
    name = stamp_of([container.url])
    sighting = memory.containers.setdefault(name, Sighting(stamp=container.stamp, since=moment))
    if sighting.stamp != container.stamp:
        sighting.stamp, sighting.since = container.stamp, moment
    return sighting


def _by_prefix(home: Home) -> Mapping[str, list[str]]:
    shards = defaultdict(list)
    for shard in registered(home):
        shards[shard.rpartition("-")[0]].append(shard)
    return shards


def _read(home: Home, source: WatchedSource, container: Container, known: Sequence[str], found: Look) -> None:
    before = [source_of(home, shard) for shard in known]
    try:
        shards = _register(home, source, container, before)
    except _UNREADABLE as error:
        found.problems.append(f"{container.url}: {error}")
        return
    for shard in shards:
        stamp = _shard_stamp(container, shard)
        last = found.memory.shards.get(shard.shard)
        found.memory.shards[shard.shard] = stamp
        if last != stamp and (last is not None or home.versions_of(_LABELS, shard.shard).current() is None):
            found.wanted[shard.shard] = stamp


def _register(home: Home, source: WatchedSource, container: Container, before: list[ShardSource]) -> list[ShardSource]:
    """All shards of a container, the known ones where their images lie now, the new ones registered."""
    if container.images:
        taken = {member.key for shard in before for member in shard.members}
        if taken.issuperset(container.images):
            return before
        new = discover(container.url, source.shard_size, before, tars=False)
    else:
        moved = {one.shard: one for one in relocated(before, discover(container.url, sys.maxsize) if before else [])}
        reregister(home, moved.values())
        before = [moved.get(one.shard, one) for one in before]
        new = discover(container.url, source.shard_size, before)
    register(home, new)
    return [*before, *new]


def _shard_stamp(container: Container, shard: ShardSource) -> str:
    if not container.images:
        return container.stamp
    return stamp_of(f"{member.key}\0{container.images.get(member.key, '')}" for member in shard.members)
