"""Masks of many images in files that others made: folders of PNGs, SA-1B JSON, or one COCO JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import orjson

from stores.annotations import BadAnnotations
from stores.coco import read_coco
from stores.label_maps import BadLabelMap, read_label_map
from stores.location import Location
from stores.masks import MaskSet
from stores.sa1b import from_sa1b


@dataclass(frozen=True)
class MaskFiles:
    """Masks by the name of their image without its ending.

    Attributes:
        readers: how to read the masks of each name, given the (H, W) to expect.
    """

    readers: Mapping[str, Callable[[tuple[int, int]], MaskSet]]

    def __contains__(self, name: str) -> bool:
        return name in self.readers

    def read(self, name: str, size: tuple[int, int]) -> MaskSet:
        """Masks of one image.

        Raises:
            KeyError: there are none of that name.
            BadLabelMap, BadAnnotations: its files are damaged, or of another size than the image.
        """
        masks = self.readers[name](size)
        if tuple(masks.size) != tuple(size):
            raise BadAnnotations(f"masks of {name} are for (H, W) = {tuple(masks.size)}, the image has {tuple(size)}")
        return masks


def open_mask_files(place: Location) -> MaskFiles:
    """Masks of a folder `<image>/*.png` (one binary PNG a mask), a folder of SA-1B JSON, or a COCO file.

    Raises:
        FileNotFoundError: nothing is there.
        BadAnnotations: none of the three, or two images of one name.
    """
    if place.name.endswith(".json"):
        return _coco(place)
    children = sorted(place.iterdir(), key=lambda child: child.name)
    if not children:
        raise FileNotFoundError(f"{place}: no such folder, or an empty one")
    documents = [child for child in children if child.name.endswith(".json")]
    if documents:
        return MaskFiles({PurePosixPath(child.name).stem: _SaReader(child) for child in documents})
    return MaskFiles({child.name: _FolderReader(child) for child in children if not child.name.startswith(".")})


@dataclass(frozen=True)
class _FolderReader:
    folder: Location

    def __call__(self, size: tuple[int, int]) -> MaskSet:
        masks = []
        for place in sorted(self.folder.iterdir(), key=lambda child: child.name):
            if place.name.lower().endswith(".png"):
                mask = read_label_map(place) != 0
                if mask.shape != tuple(size):
                    raise BadLabelMap(f"{place}: a mask of (H, W) = {mask.shape} for an image of {tuple(size)}")
                masks.append(mask)
        return MaskSet.from_dense(masks, size)


@dataclass(frozen=True)
class _SaReader:
    place: Location

    def __call__(self, size: tuple[int, int]) -> MaskSet:
        try:
            return from_sa1b(orjson.loads(self.place.read_bytes()), "imported")
        except orjson.JSONDecodeError as error:
            raise BadAnnotations(f"{self.place} is no JSON: {error}") from error


@dataclass(frozen=True)
class _Known:
    masks: MaskSet

    def __call__(self, size: tuple[int, int]) -> MaskSet:
        return self.masks


def _coco(place: Location) -> MaskFiles:
    readers: dict[str, Callable[[tuple[int, int]], MaskSet]] = {}
    for record, masks in read_coco(place):
        name = PurePosixPath(record.file_name).stem
        if name in readers:
            raise BadAnnotations(f"{place}: two images are called {name}")
        readers[name] = _Known(masks)
    return MaskFiles(readers)
