"""A reader that never stops: whatever is current must be whole, and must never change under its name."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence

from stores.home import Home
from stores.mask_store import MaskShardReader, open_masks
from stores.versions import IncompleteVersion, NoVersion

ASSETS = ("ncut_masks", "hierarchical_masks")


class RestlessReader:
    """Reads current versions in a thread of its own, as a context manager.

    Attributes:
        reads: versions read. problems: what it should never have seen.
    """

    def __init__(self, home: Home, shards: Sequence[str]) -> None:
        self.home, self.shards = home, shards
        self.reads = 0
        self.problems: list[str] = []
        self._digests: dict[tuple[str, str, str], str] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read_on, daemon=True)

    def __enter__(self) -> RestlessReader:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _read_on(self) -> None:
        while not self._stop.is_set():
            for shard in self.shards:
                for asset in ASSETS:
                    self._read(asset, shard)
            self._stop.wait(0.2)

    def _read(self, asset: str, shard: str) -> None:
        try:
            masks = open_masks(self.home, asset, shard)
            seen = digest(masks)
        except NoVersion:
            return
        except (IncompleteVersion, OSError, ValueError, KeyError, IndexError) as error:
            self.problems.append(f"{asset} of {shard}: {type(error).__name__}: {error}")
            return
        self.reads += 1
        if self._digests.setdefault((asset, shard, masks.version), seen) != seen:
            self.problems.append(f"{asset} of {shard}: version {masks.version} has changed")


def digest(masks: MaskShardReader) -> str:
    """Hash of everything in a version: keys, bits, boxes, scores, trees."""
    content = hashlib.sha256()
    for key in masks.keys:
        one = masks[key]
        content.update(f"{key} {one.size}\n".encode())
        for values in (one.bits, one.boxes, one.score, one.level, one.parent, one.granularity, one.source):
            content.update(values.tobytes())
    return content.hexdigest()
