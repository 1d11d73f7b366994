"""A place where bytes lie: a local path or any fsspec URL, with atomic writes."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import fsspec
from fsspec.core import url_to_fs
from zarr.abc.store import Store
from zarr.storage import FsspecStore, LocalStore

TEMPORARY_SUFFIX = ".unfinished"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class OutOfSpace(OSError):
    """The disk, the quota or the file size limit is exhausted; what was finished before stays as it was."""


@dataclass(frozen=True)
class Location:
    """A file or folder by path or URL; it need not exist. Picklable, cheap, without open handles.

    Attributes:
        url: an absolute local path, or a URL that fsspec knows (`s3://…`, `memory://…`).
        options: storage options for fsspec; empty takes them from the environment (`FSSPEC_S3_ENDPOINT_URL`, …).
    """

    url: str
    options: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", _canonical(os.fspath(self.url)))

    def __truediv__(self, name: str) -> Location:
        """The place `name` below this one; `name` may hold several parts, none of them `..`.

        Raises:
            ValueError: `name` is empty, absolute or leads out of this folder.
        """
        if not name or name.startswith("/") or ".." in name.split("/"):
            raise ValueError(f"{name!r} does not name a place below {self.url}")
        return Location(f"{self.url.rstrip('/')}/{name}", self.options)

    def __str__(self) -> str:
        return self.url

    @property
    def is_local(self) -> bool:
        return "://" not in self.url

    @property
    def local_path(self) -> Path:
        """The path on this machine.

        Raises:
            ValueError: the location is not local.
        """
        if not self.is_local:
            raise ValueError(f"{self.url} is not a local path")
        return Path(self.url)

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    @property
    def parent(self) -> Location:
        return Location(self.url.rpartition("/")[0] or "/", self.options)

    def read_bytes(self, start: int | None = None, end: int | None = None) -> bytes:
        """All bytes, or those in [start, end).

        Raises:
            FileNotFoundError: nothing is there.
        """
        if self.is_local and start is None and end is None:
            return self.local_path.read_bytes()
        filesystem, path = self._filesystem()
        return filesystem.cat_file(path, start=start, end=end)

    def write_bytes(self, data: bytes) -> None:
        """Replace the content atomically: readers see the old bytes or the new ones, also after a crash.

        Raises:
            OutOfSpace: the bytes do not fit; the old content stays.
        """
        if self.is_local:
            with self.writing() as file:
                file.write(data)
        else:
            filesystem, path = self._filesystem()
            filesystem.pipe_file(path, data)

    @contextlib.contextmanager
    def writing(self) -> Iterator[IO[bytes]]:
        """A binary file whose content appears here, whole, when the block ends without an error.

        Raises:
            OutOfSpace: the bytes do not fit; the old content stays.
        """
        with out_of_space_explained(self.url):
            if self.is_local:
                with _replacing(self.local_path) as file:
                    yield file
            else:
                with tempfile.NamedTemporaryFile() as spool:
                    yield spool
                    spool.flush()
                    filesystem, path = self._filesystem()
                    filesystem.put_file(spool.name, path)

    @contextlib.contextmanager
    def reading(self, block_size: int = 1 << 16) -> Iterator[IO[bytes]]:
        """A seekable binary file; remote content comes in ranges of `block_size` bytes."""
        filesystem, path = self._filesystem()
        options = {} if self.is_local else {"block_size": block_size}
        with filesystem.open(path, "rb", **options) as file:
            yield file

    def exists(self) -> bool:
        if self.is_local:
            return self.local_path.exists()
        filesystem, path = self._filesystem()
        return filesystem.exists(path)

    def is_folder(self) -> bool:
        if self.is_local:
            return self.local_path.is_dir()
        filesystem, path = self._filesystem()
        return filesystem.isdir(path)

    def size(self) -> int:
        """Bytes of the file that lies here."""
        if self.is_local:
            return self.local_path.stat().st_size
        filesystem, path = self._filesystem()
        return filesystem.size(path)

    def iterdir(self) -> Iterator[Location]:
        """What lies directly below, by name; nothing for a folder that is not there, no unfinished files."""
        for name in sorted(self._child_names()):
            if not name.endswith(TEMPORARY_SUFFIX):
                yield self / name

    def delete(self) -> None:
        """Remove the file or the folder with everything in it; it may be gone already."""
        with contextlib.suppress(FileNotFoundError):
            if not self.is_local:
                filesystem, path = self._filesystem()
                filesystem.rm(path, recursive=True)
            elif self.local_path.is_dir():
                shutil.rmtree(self.local_path)
            else:
                self.local_path.unlink()

    def modified(self) -> float:
        """Seconds since the epoch at which the newest file here or below was written; 0 where there is none."""
        if self.is_local:
            return _newest_local(self.local_path)
        filesystem, path = self._filesystem()
        found = filesystem.find(path, detail=True)
        return max((_timestamp(info) for info in found.values()), default=0.0)

    def flush(self) -> None:
        """Make the files here and below survive a power cut; object stores promise that by themselves."""
        if not self.is_local:
            return
        for folder, _, names in os.walk(self.local_path):
            for path in [os.path.join(folder, name) for name in names] + [folder]:
                _fsync(path)

    def zarr_store(self, read_only: bool = False) -> Store:
        """A Zarr store rooted here."""
        if self.is_local:
            return LocalStore(self.local_path, read_only=read_only)
        return FsspecStore.from_url(self.url, storage_options=dict(self.options), read_only=read_only)

    def _filesystem(self) -> tuple[fsspec.AbstractFileSystem, str]:
        filesystem, path = url_to_fs(self.url, **self.options)
        filesystem.invalidate_cache()
        return filesystem, path

    def _child_names(self) -> list[str]:
        if self.is_local:
            return os.listdir(self.local_path) if self.local_path.is_dir() else []
        filesystem, path = self._filesystem()
        try:
            children = filesystem.ls(path, detail=False)
        except FileNotFoundError:
            return []
        return [child.rstrip("/").rsplit("/", 1)[-1] for child in children if child.rstrip("/") != path.rstrip("/")]


@contextlib.contextmanager
def out_of_space_explained(place: str) -> Iterator[None]:
    """Turn the errors of a full disk inside the block into one `OutOfSpace` that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL or isinstance(error, OutOfSpace):
            raise
        raise OutOfSpace(
            error.errno,
            f"no space to write {place} ({error.strerror}); free some and run again: what is finished is kept",
        ) from error


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:64]}.{uuid.uuid4().hex}{TEMPORARY_SUFFIX}")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _fsync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _canonical(url: str) -> str:
    if url.startswith(("file://", "local://")):
        url = url.split("://", 1)[1]
    if "://" not in url:
        return os.path.abspath(os.path.expanduser(url))
    return url if url.endswith("://") else url.rstrip("/")


def _newest_local(path: Path) -> float:
    if path.is_file():
        return path.stat().st_mtime
    times = [os.stat(os.path.join(folder, name)).st_mtime for folder, _, names in os.walk(path) for name in names]
    return max(times, default=0.0)


def _timestamp(info: Mapping[str, Any]) -> float:
    when = info.get("LastModified", info.get("mtime", info.get("created", 0.0)))
    return when.timestamp() if isinstance(when, datetime) else float(when)
