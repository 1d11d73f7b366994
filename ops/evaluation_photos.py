"""The photos of a dataset as shards of a home of their own, so that stages run on them as on any photos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ops.ground_truth import GroundTruth, ImageId
from stores.home import Home
from stores.location import Location
from stores.manifests import register, registered, source_of
from stores.mask_store import MaskShardReader
from stores.masks import MaskSet
from stores.shards import Member, ShardSource, shard_prefix

_FOLDER = "evaluation"
_SHARD_SIZE = 100


@dataclass(frozen=True)
class EvaluationPhotos:
    """Where the scored photos are: shard and key by image id; `sources` by shard, which may hold further photos."""

    places: dict[ImageId, tuple[str, str]]
    sources: dict[str, ShardSource]


def evaluation_home(home: Home, dataset: str) -> Home:
    """Everything that is computed on the photos of a dataset: `evaluation/<dataset>/` inside the home."""
    return Home((home.location / _FOLDER / dataset).url, home.options)


def evaluation_homes(home: Home) -> list[Home]:
    """Those of all datasets that were evaluated."""
    return [evaluation_home(home, place.name) for place in (home.location / _FOLDER).iterdir()]


def register_photos(home: Home, images: Path, ground_truth: GroundTruth) -> EvaluationPhotos:
    """Put the photos that are not in a shard yet into new ones; those that are stay, so that nothing is done twice.

    Args:
        home: of the dataset.
        images: its folder of photos.
        ground_truth: the photos that will be scored.
    """
    url = Location(str(images)).url
    sources = [source for source in (source_of(home, shard) for shard in registered(home)) if source.url == url]
    shard_of = {member.key: source.shard for source in sources for member in source.members}
    keys = {image.image_id: image.path.relative_to(images).as_posix() for image in ground_truth.images}
    new = _new_shards(url, sorted(set(keys.values()) - set(shard_of)), len(sources))
    register(home, new)
    shard_of |= {member.key: source.shard for source in new for member in source.members}
    places = {image_id: (shard_of[key], key) for image_id, key in keys.items()}
    needed = {shard for shard, _ in places.values()}
    return EvaluationPhotos(places, {source.shard: source for source in (*sources, *new) if source.shard in needed})


class StoredMasks(Mapping[ImageId, MaskSet]):
    """Masks by image id, read from the stores when asked for; images that have none are not in it."""

    def __init__(self, photos: EvaluationPhotos, readers: Mapping[str, MaskShardReader]) -> None:
        self._readers = readers
        self._places = {
            image_id: (shard, key) for image_id, (shard, key) in photos.places.items() if key in readers[shard]
        }

    def __getitem__(self, image_id: ImageId) -> MaskSet:
        shard, key = self._places[image_id]
        return self._readers[shard][key]

    def __iter__(self) -> Iterator[ImageId]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _new_shards(url: str, keys: list[str], first: int) -> list[ShardSource]:
    prefix = shard_prefix(url)
    return [
        ShardSource(
            shard=f"{prefix}-{first + index:04d}",
            kind="folder",
            url=url,
            members=tuple(Member(key=key) for key in keys[start : start + _SHARD_SIZE]),
        )
        for index, start in enumerate(range(0, len(keys), _SHARD_SIZE))
    ]
