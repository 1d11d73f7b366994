"""What a source looks like from outside: its tars and its loose images, each with a stamp that changes with it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from fsspec.core import url_to_fs

from stores.folders import list_files
from stores.images import EXTENSIONS
from stores.location import Location

_VERSION_FIELDS = ("ETag", "etag", "LastModified", "mtime", "created")


@dataclass(frozen=True)
class Container:
    """A tar, or the loose images of a folder.

    Attributes:
        stamp: 16 hex digits that change when a file is added, removed, grown or written anew.
        images: stamp by key of a folder's images; empty for a tar, whose members are not looked at.
    """

    url: str
    stamp: str
    images: Mapping[str, str] = field(default_factory=dict)


def list_containers(url: str) -> list[Container]:
    """The tars below a source, and its loose images as one container; found by listing alone, nothing is opened.

    Raises:
        FileNotFoundError: nothing is there.
    """
    location = Location(url)
    if not location.is_folder():
        return [Container(location.url, stamp_of([_file_state(location)]))]
    states = _states(location)
    tars = [name for name in states if name.lower().endswith(".tar")]
    images = {name: state for name, state in states.items() if PurePosixPath(name).suffix.lower() in EXTENSIONS}
    found = [Container((location / name).url, stamp_of([states[name]])) for name in tars]
    if images:
        found.append(Container(location.url, stamp_of(f"{n}\0{s}" for n, s in images.items()), images))
    return found


def stamp_of(states: Iterable[str]) -> str:
    """16 hex digits that are equal for equal states."""
    content = hashlib.blake2b(digest_size=8)
    for state in states:
        content.update(f"{state}\n".encode(errors="surrogateescape"))
    return content.hexdigest()


def _states(folder: Location) -> dict[str, str]:
    names = list_files(folder, Counter())
    if folder.is_local:
        root = str(folder.local_path)
        return {name: state for name in names if (state := _local_state(os.path.join(root, name)))}
    filesystem, root = url_to_fs(folder.url, **folder.options)
    details = filesystem.find(root.rstrip("/") + "/", detail=True)
    prefix = root.rstrip("/") + "/"
    return {name: _remote_state(details[prefix + name]) for name in names if prefix + name in details}


def _file_state(location: Location) -> str:
    if location.is_local:
        state = _local_state(str(location.local_path))
        if not state:
            raise FileNotFoundError(f"there is nothing at {location}")
        return state
    filesystem, path = url_to_fs(location.url, **location.options)
    filesystem.invalidate_cache()
    return _remote_state(filesystem.info(path))


def _local_state(path: str) -> str:
    """Empty where the file went away while the folder was listed."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return ""
    return f"{status.st_size} {status.st_mtime_ns}"


def _remote_state(info: Mapping[str, Any]) -> str:
    return " ".join([str(info.get("size")), *(str(info[name]) for name in _VERSION_FIELDS if name in info)])
