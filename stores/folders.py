"""Every file below a folder, by its relative path."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

from fsspec.core import url_to_fs

from stores.location import Location


def list_files(folder: Location, skipped: Counter[str]) -> list[str]:
    """Relative paths with `/` of all files below, sorted.

    Hidden files and folders are left out; links to folders are not followed, as they may run in circles. What
    is left out is counted in `skipped` by reason.
    """
    names = _local_files(folder, skipped) if folder.is_local else _remote_files(folder)
    found = []
    for name in names:
        if name.rpartition("/")[2].startswith("."):
            skipped["hidden"] += 1
        elif not _is_text(name):
            skipped["name is not UTF-8"] += 1
        else:
            found.append(name)
    return sorted(found)


def _local_files(folder: Location, skipped: Counter[str]) -> Iterator[str]:
    root = str(folder.local_path)
    for parent, folders, names in os.walk(root, onerror=_raise):
        skipped["link to a folder"] += sum(os.path.islink(os.path.join(parent, name)) for name in folders)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (os.path.relpath(os.path.join(parent, name), root).replace(os.sep, "/") for name in names)


def _remote_files(folder: Location) -> Iterator[str]:
    filesystem, root = url_to_fs(folder.url, **folder.options)
    root = root.rstrip("/") + "/"
    for path in filesystem.find(root):
        name = path.removeprefix(root)
        if not any(part.startswith(".") for part in name.split("/")[:-1]):
            yield name


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _raise(error: OSError) -> None:
    raise error
