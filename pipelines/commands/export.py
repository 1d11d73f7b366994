"""`unsam export`: the current masks of shards in the formats of the field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipelines.commands.console import errors_in_one_line, out
from pipelines.shard_selection import select_shards
from stores.bsds import partitions, write_bsds
from stores.coco import write_coco
from stores.home import Home
from stores.location import Location, OutOfSpace
from stores.manifests import registered, source_of
from stores.mask_store import open_masks
from stores.masks import MaskSet
from stores.sa1b import write_sa1b
from stores.versions import NoVersion

FORMATS = ("coco", "sa1b", "bsds")


def export(output: str, format: str, asset: str, shards: Sequence[str]) -> int:
    """Write masks of shards; shards without masks are an error that names them."""
    home = Home.from_environment()
    with errors_in_one_line(ValueError, LookupError):
        if format not in FORMATS:
            raise ValueError(f"no format {format!r}; there are {', '.join(FORMATS)}")
        known = registered(home)
        wanted = select_shards(known, shards or known)
    with errors_in_one_line(ValueError, NoVersion, OutOfSpace):
        if format == "coco":
            images, masks = export_coco(home, output, asset, wanted)
            out.print(f"[bold]{output}[/bold]: {masks:,} masks of {images:,} photos")
            return 0
        items = named_masks(home, asset, wanted)
        count = write_sa1b(output, items) if format == "sa1b" else _write_bsds(output, items)
    out.print(f"[bold]{output}[/bold]: {count:,} files")
    return 0


def export_coco(
    home: Home, output: str, asset: str, shards: Sequence[str], keys: Mapping[str, Sequence[str]] | None = None
) -> tuple[int, int]:
    """One COCO file; returns how many images and masks it holds."""
    return write_coco(output, named_masks(home, asset, shards, keys), description=f"{asset} of {len(shards)} shards")


def named_masks(
    home: Home, asset: str, shards: Sequence[str], keys: Mapping[str, Sequence[str]] | None = None
) -> Iterator[tuple[str, MaskSet]]:
    """File name and masks of every image, in the order of shards and keys.

    A file name is the path inside its folder or tar; where shards of several folders are written together, the
    folder's or tar's own name goes before it.

    Raises:
        NoVersion: a shard has no masks yet.
        UnknownShard: a shard is not registered.
    """
    urls = {shard: source_of(home, shard).url for shard in shards}
    several = len(set(urls.values())) > 1
    for shard in shards:
        reader = open_masks(home, asset, shard)
        wanted = None if keys is None else set(keys[shard])
        prefix = f"{urls[shard].rstrip('/').rpartition('/')[2]}/" if several else ""
        for key, masks in reader.items():
            if wanted is None or key in wanted:
                yield f"{prefix}{key}", masks


def _write_bsds(folder: str, items: Iterator[tuple[str, MaskSet]]) -> int:
    count = 0
    for name, masks in items:
        stem = name.rpartition(".")[0] or name
        (Location(folder) / f"{stem}.mat").write_bytes(write_bsds(partitions(masks)))
        count += 1
    return count
