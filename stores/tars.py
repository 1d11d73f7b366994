"""Where the members of a tar lie, found by its headers alone; nothing is ever unpacked."""

from __future__ import annotations

import tarfile
from collections import Counter
from dataclasses import dataclass, field
from typing import IO

from stores.location import Location


class UnsafeArchive(ValueError):
    """A tar with a member whose name leads out of the folder it would be unpacked into."""


@dataclass
class TarIndex:
    """Members of a plain tar.

    Attributes:
        members: (start, size) in bytes of each regular file, by its name; the last one of several of one name.
        skipped: members left out, counted by reason.
        problems: what is wrong with the tar as a whole, a sentence each.
    """

    members: dict[str, tuple[int, int]] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


def index_tar(location: Location) -> TarIndex:
    """List the files of a tar; one that is cut off yields the members before the cut and says so.

    Raises:
        UnsafeArchive: a member's name is absolute or has `..` in it: nobody packs such a tar by accident.
        ValueError: it is no plain tar.
    """
    index = TarIndex()
    with location.reading() as file:
        try:
            archive = tarfile.TarFile(fileobj=file)
        except tarfile.TarError as error:
            raise ValueError(f"{location} is no plain tar: {error}") from error
        with archive:
            _collect(archive, file, index, location)
    return index


def _collect(archive: tarfile.TarFile, file: IO[bytes], index: TarIndex, location: Location) -> None:
    end = file.seek(0, 2)
    while (member := _next_member(archive, index)) is not None:
        _add(member, end, index, location)
    if not index.problems and not _has_end_mark(file, archive.offset):
        index.problems.append(f"the tar stops without an end mark at byte {archive.offset}: it may have been cut off")


def _next_member(archive: tarfile.TarFile, index: TarIndex) -> tarfile.TarInfo | None:
    try:
        return archive.next()
    except (tarfile.TarError, EOFError) as error:
        if not index.problems:
            index.problems.append(f"the tar is cut off or damaged at byte {archive.offset}: {error}")
        return None


def _add(member: tarfile.TarInfo, end: int, index: TarIndex, location: Location) -> None:
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    if member.name.startswith(("/", "\\")) or ".." in member.name.replace("\\", "/").split("/"):
        raise UnsafeArchive(
            f"{location}: the name of member {member.name!r} leads out of its folder; pack the tar anew"
        )
    name = "/".join(parts)
    if member.isdir():
        return
    if member.islnk() or member.issym():
        index.skipped["link in a tar"] += 1
    elif not member.isreg() or member.issparse():
        index.skipped["special member of a tar"] += 1
    elif member.offset_data + member.size > end:
        index.skipped["cut off in mid-file"] += 1
        index.problems.append(f"the tar is cut off inside {name}")
    else:
        _keep(name, member, index)


def _keep(name: str, member: tarfile.TarInfo, index: TarIndex) -> None:
    if _is_hidden(name):
        index.skipped["hidden"] += 1
        return
    if name in index.members:
        index.skipped["replaced by a later member of the same name"] += 1
    index.members[name] = (member.offset_data, member.size)


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _has_end_mark(file: IO[bytes], offset: int) -> bool:
    file.seek(offset)
    return file.read(tarfile.BLOCKSIZE) == tarfile.NUL * tarfile.BLOCKSIZE
