"""Shards of images: lists of members of a folder or of a tar that are read one by one, where they are."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict

from stores.annotations import BadAnnotations
from stores.folders import list_files
from stores.images import EXTENSIONS
from stores.location import Location
from stores.tars import TarIndex, index_tar

Kind = Literal["folder", "tar", "sa1b"]
SHARD_SIZE = 1000
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")


class MissingMember(FileNotFoundError):
    """A member that the shard lists and that is not there, or not whole, any more."""


class Member(BaseModel):
    """One image of a shard.

    Attributes:
        key: path inside the folder or tar, with `/`.
        start, size: bytes of the image inside the tar; 0 in folders.
        annotation: start and size of its JSON inside the tar, where it has one.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    start: int = 0
    size: int = 0
    annotation: tuple[int, int] | None = None


class ShardSource(BaseModel):
    """What a shard consists of; JSON by `model_dump_json`, back by `model_validate_json`.

    Attributes:
        shard: its key: lower-case letters, digits and dashes, so it is safe as a partition key and a file name.
        kind: "folder", "tar", or "sa1b" for a tar whose images have a JSON of the same stem.
        url: the folder or tar, an absolute path or URL.
        members: its images, by key.
        skipped: files that were left out when the shard was made, counted by reason.
        problems: what else was wrong with the folder or tar, a sentence each.
    """

    model_config = ConfigDict(frozen=True)

    shard: str
    kind: Kind
    url: str
    members: tuple[Member, ...]
    skipped: dict[str, int] = {}
    problems: tuple[str, ...] = ()

    def open(self) -> ShardReader:
        return ShardReader(self)


class ShardReader:
    """Reads members of one shard; holds no open file, so it is picklable and safe in threads."""

    def __init__(self, source: ShardSource) -> None:
        self.source = source
        self._location = Location(source.url)
        self._members = {member.key: member for member in source.members}

    def __len__(self) -> int:
        return len(self._members)

    def keys(self) -> list[str]:
        return list(self._members)

    def read(self, key: str) -> bytes:
        """The file of image `key`.

        Raises:
            KeyError: the shard has no such member.
            MissingMember: it is not there any more, or its tar is cut off inside it.
        """
        member = self._member(key)
        if self.source.kind == "folder":
            return self._read_file(key)
        return self._read_range(key, member.start, member.size)

    def annotation(self, key: str) -> dict[str, Any] | None:
        """The JSON that lies beside image `key` under the same stem; None where there is none.

        Raises:
            KeyError, MissingMember: as `annotation_bytes`.
            BadAnnotations: it is no JSON object.
        """
        data = self.annotation_bytes(key)
        if data is None:
            return None
        try:
            annotation = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise BadAnnotations(f"the annotation of {key} in {self.source.url} is no JSON: {error}") from error
        if not isinstance(annotation, dict):
            raise BadAnnotations(f"the annotation of {key} in {self.source.url} is no JSON object")
        return annotation

    def annotation_bytes(self, key: str) -> bytes | None:
        """The file of `annotation`, not parsed.

        Raises:
            KeyError: the shard has no such member.
            MissingMember: its tar is cut off inside it.
        """
        member = self._member(key)
        if member.annotation is not None:
            return self._read_range(member.key, *member.annotation)
        if self.source.kind != "folder":
            return None
        beside = self._location / annotation_name(member.key)
        return beside.read_bytes() if beside.exists() else None

    def _member(self, key: str) -> Member:
        try:
            return self._members[key]
        except KeyError:
            raise KeyError(f"shard {self.source.shard} has no image {key!r}") from None

    def _read_file(self, key: str) -> bytes:
        try:
            return (self._location / key).read_bytes()
        except FileNotFoundError as error:
            raise MissingMember(f"{key} is no longer in {self.source.url}") from error

    def _read_range(self, key: str, start: int, size: int) -> bytes:
        try:
            data = self._location.read_bytes(start, start + size) if size else b""
        except FileNotFoundError as error:
            raise MissingMember(f"{self.source.url}, which holds {key}, is no longer there") from error
        if len(data) != size:
            raise MissingMember(f"{self.source.url} ends inside {key}: {len(data)} of {size} bytes are there")
        return data


def discover(
    place: str | Path, shard_size: int = SHARD_SIZE, known: Iterable[ShardSource] = (), tars: bool = True
) -> list[ShardSource]:
    """New shards for the images of a folder (recursive), a tar, a folder of tars, or one image file.

    Images that a known shard holds stay where they are; what is new goes into new shards, so that adding a folder
    again after copying photos into it disturbs nothing that was computed.

    Args:
        place: local path or fsspec URL.
        shard_size: most images a shard.
        known: the shards that are registered already.
        tars: look into the tars of a folder too.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: a file that is neither an image nor a tar, a compressed tar, or `shard_size` < 1.
        UnsafeArchive: a tar with a member that would land outside the folder it is unpacked into.
    """
    if shard_size < 1:
        raise ValueError(f"shard_size is {shard_size}; at least 1 image a shard")
    location = Location(str(place))
    known = list(known)
    if location.is_folder():
        return _discover_folder(location, shard_size, known, tars)
    if not location.exists():
        raise FileNotFoundError(f"there is nothing at {location}")
    if location.name.lower().endswith(COMPRESSED):
        raise ValueError(
            f"{location} is compressed, so its members cannot be read one by one: unpack it to a plain .tar"
        )
    if location.name.lower().endswith(".tar"):
        return _discover_tar(location, shard_size, known)
    if location.name.lower().endswith(EXTENSIONS):
        return _shards(location.parent, "folder", [Member(key=location.name)], shard_size, known, Counter(), [])
    raise ValueError(f"{location} is neither a folder, nor a .tar, nor an image ({', '.join(EXTENSIONS)})")


def relocated(known: Sequence[ShardSource], found: Iterable[ShardSource]) -> list[ShardSource]:
    """Those of the known shards of one tar whose images lie elsewhere in it now, or are gone, as they are now.

    Args:
        found: what `discover` makes of the tar without knowing any shard.
    """
    members = {member.key: member for source in found for member in source.members}
    now = [
        source.model_copy(
            update={"members": tuple(members[member.key] for member in source.members if member.key in members)}
        )
        for source in known
    ]
    return [new for new, old in zip(now, known, strict=True) if new != old]


def _discover_folder(
    folder: Location, shard_size: int, known: Sequence[ShardSource], with_tars: bool
) -> list[ShardSource]:
    skipped: Counter[str] = Counter()
    images, tars, documents = [], [], set()
    for name in list_files(folder, skipped):
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in EXTENSIONS:
            images.append(Member(key=name))
        elif suffix == ".tar":
            tars.append(name)
        elif suffix == ".json":
            documents.add(name)
        else:
            skipped[f"not an image ({suffix or 'no extension'})"] += 1
    skipped["not an image (.json)"] += len(documents - {annotation_name(member.key) for member in images})
    sources = _shards(folder, "folder", images, shard_size, known, skipped, [])
    for name in tars if with_tars else ():
        sources += _discover_tar(folder / name, shard_size, [*known, *sources])
    return sources


def _discover_tar(tar: Location, shard_size: int, known: Sequence[ShardSource]) -> list[ShardSource]:
    index = index_tar(tar)
    skipped = Counter(index.skipped)
    members = list(_tar_images(index, skipped))
    problems = list(index.problems)
    paired = sum(member.annotation is not None for member in members)
    if paired and paired < len(members):
        problems.append(f"{len(members) - paired} images have no json beside them")
    return _shards(tar, "sa1b" if paired else "tar", members, shard_size, known, skipped, problems)


def _tar_images(index: TarIndex, skipped: Counter[str]) -> Iterator[Member]:
    stems = {name[: -len(".json")]: span for name, span in index.members.items() if name.endswith(".json")}
    for name, (start, size) in index.members.items():
        stem, dot, suffix = name.rpartition(".")
        if f"{dot}{suffix}".lower() in EXTENSIONS:
            yield Member(key=name, start=start, size=size, annotation=stems.pop(stem, None))
        elif suffix != "json":
            skipped[f"not an image ({dot}{suffix.lower()})" if dot else "not an image (no extension)"] += 1
    if stems:
        skipped["json without its image"] += len(stems)
        index.problems.append(f"without their image: {_few(f'{stem}.json' for stem in stems)}")


def _shards(
    container: Location,
    kind: Kind,
    members: Iterable[Member],
    shard_size: int,
    known: Sequence[ShardSource],
    skipped: Counter[str],
    problems: list[str],
) -> list[ShardSource]:
    taken = {f"{source.url}/{member.key}" for source in known for member in source.members}
    new = sorted((m for m in members if f"{container}/{m.key}" not in taken), key=lambda member: member.key)
    prefix = shard_prefix(container.url)
    numbers = [int(source.shard.rpartition("-")[2]) for source in known if source.shard.startswith(f"{prefix}-")]
    first = max(numbers, default=-1) + 1
    return [
        ShardSource(
            shard=f"{prefix}-{first + index:04d}",
            kind=kind,
            url=container.url,
            members=tuple(new[start : start + shard_size]),
            skipped=dict(+skipped) if index == 0 else {},
            problems=tuple(problems) if index == 0 else (),
        )
        for index, start in enumerate(range(0, len(new), shard_size))
    ]


def annotation_name(key: str) -> str:
    """Where the JSON of an image lies: beside it, under its stem."""
    return str(PurePosixPath(key).with_suffix(".json"))


def _few(names: Iterable[str], shown: int = 5) -> str:
    names = sorted(names)
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")


def shard_prefix(url: str) -> str:
    """A readable name for a folder or tar that no other shares: its own name and 8 digits of its path's hash."""
    name = re.sub(r"[^a-z0-9]+", "-", PurePosixPath(url).stem.lower()).strip("-")[:40].strip("-")
    digest = hashlib.sha256(url.encode()).hexdigest()[:8]
    return f"{name or 'photos'}-{digest}"
