"""Human masks that lie beside the photos as SA-1B JSON: which of them are used, and a shard of them (spec 6, 10.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from ops.drawing import is_drawn
from ops.fanout import Fanout
from ops.mask_tree import build_tree
from ops.nms import distinct
from ops.phases import Stopwatch
from ops.stage_workers import Made
from ops.stages import Provenance, Say, StageReport, run_stage
from stores.annotations import BadAnnotations
from stores.home import Home
from stores.manifests import Manifest
from stores.mask_store import MaskShardWriter
from stores.masks import SOURCES, MaskSet
from stores.sa1b import from_sa1b, sa1b_number
from stores.shards import ShardReader, ShardSource
from stores.versions import version_of


@dataclass(frozen=True)
class Annotated:
    """The images of a shard whose human masks are used.

    Attributes:
        keys: in the manifest's order.
        fingerprint: of the chosen JSON files.
    """

    keys: tuple[str, ...]
    fingerprint: str


def image_id(key: str) -> str:
    """What identifies an image wherever it lies: the number in `sa_123.jpg`, else its name without ending."""
    number = sa1b_number(key)
    return PurePosixPath(key).stem if number is None else str(number)


def is_selected(key: str, fraction: float) -> bool:
    """Whether an image is among the share whose human masks are used.

    It depends on the image's id alone: adding shards changes nothing, and a larger share holds the smaller ones.
    """
    return is_drawn(image_id(key), fraction)


def annotated_images(source: ShardSource, keys: Iterable[str], fraction: float) -> Annotated:
    """Those of the images `keys` that are selected and have a JSON; only these files are read.

    Raises:
        MissingMember: the shard's tar is cut off inside a JSON.
    """
    reader = source.open()
    chosen, content = [], hashlib.blake2b(digest_size=8)
    for key in keys:
        data = reader.annotation_bytes(key) if is_selected(key, fraction) else None
        if data is not None:
            chosen.append(key)
            content.update(f"{key}\0{hashlib.blake2b(data).hexdigest()}\n".encode())
    return Annotated(tuple(chosen), content.hexdigest())


def human_provenance(code_version: str, manifest: str, images: Annotated, fraction: float) -> Provenance:
    """What decides the human masks of a shard; `manifest` is its version."""
    return {
        "asset": "sa1b_masks",
        "code": code_version,
        "inputs": {"shard_manifest": manifest},
        "settings": {"plus": {"fraction": fraction}},
        "annotations": images.fingerprint,
    }


def human_shard(
    home: Home,
    provenance: Provenance,
    source: ShardSource,
    manifest: Manifest,
    images: Annotated,
    pool: Fanout,
    log: Say | None = None,
) -> StageReport:
    """The human masks of a shard, a tree an image; broken annotations are quarantined with their reason."""
    writer = MaskShardWriter(home.versions_of("sa1b_masks", source.shard), version_of(provenance), images.keys)
    sizes = {entry.key: (entry.height, entry.width) for entry in manifest.entries}
    worker = HumanMaskWorker(source, {key: sizes[key] for key in images.keys})
    return run_stage(writer, provenance, worker, pool, f"sa1b_masks of {source.shard}", log)


@dataclass(frozen=True)
class HumanMaskWorker:
    """Makes a worker that turns the key of an image into the masks that its JSON holds.

    Attributes:
        sizes: (H, W) of the photos.
    """

    source: ShardSource
    sizes: Mapping[str, tuple[int, int]]

    def __call__(self) -> Callable[[str], Made]:
        reader = self.source.open()

        def worker(key: str) -> Made:
            watch = Stopwatch()
            with watch.phase("read"):
                masks = read_human_masks(reader, key, self.sizes[key])
            with watch.phase("tree"):
                return Made(build_tree(masks), watch.seconds)

        return worker


def read_human_masks(reader: ShardReader, key: str, size: tuple[int, int]) -> MaskSet:
    """The masks of an image's SA-1B JSON; empty ones and exact copies of earlier ones are left out.

    RLE, compressed or not, and polygons are read.

    Args:
        size: (H, W) of the photo.

    Raises:
        BadAnnotations: there is no JSON any more, it is no SA-1B document, is of another size, or has broken masks.
    """
    document = reader.annotation(key)
    if document is None:
        raise BadAnnotations(f"the annotation of {key} in {reader.source.url} is no longer there")
    masks = from_sa1b(document)
    if tuple(masks.size) != tuple(size):
        raise BadAnnotations(f"its JSON is of an image of (H, W) {tuple(masks.size)}, the photo is {tuple(size)}")
    filled = masks.take(masks.areas().nonzero()[0])
    return filled.take(distinct(filled)).with_columns(source=SOURCES.index("human"))
