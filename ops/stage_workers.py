"""What a Ray actor does with one image of a shard; light to import, since the driver pickles it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ops.phases import Stopwatch
from ops.settings import BackboneSettings, LabelSettings, LimitSettings
from stores.annotations import BadAnnotations
from stores.feature_store import FeatureShardReader
from stores.images import UnreadableImage, decode_image
from stores.label_map_store import LabelledImage
from stores.mask_store import MaskShardReader
from stores.masks import MaskSet
from stores.shards import MissingMember, ShardReader, ShardSource

if TYPE_CHECKING:
    from models.backbone import Backbone, BackboneDefaults

REFUSABLE = (UnreadableImage, MissingMember, BadAnnotations)


@dataclass(frozen=True)
class Made:
    """What was made of one image, and the seconds that each phase took.

    Attributes:
        content: its masks, its tokens (h, w, C), or its label maps.
        seconds: by phase.
    """

    content: MaskSet | np.ndarray | LabelledImage
    seconds: dict[str, float]


@dataclass(frozen=True)
class Tokenised:
    """An image (H, W, 3) and its tokens (h, w, C), half way to its objects."""

    image: np.ndarray
    tokens: np.ndarray
    defaults: BackboneDefaults
    seconds: dict[str, float]


@dataclass(frozen=True)
class FeatureWorker:
    """Makes a worker that turns the key of an image into its tokens in half precision, as they will be kept."""

    source: ShardSource
    settings: LabelSettings

    def __call__(self) -> Callable[[str], Made]:
        work = TokenWorker(self.source, self.settings)()

        def worker(key: str) -> Made:
            tokenised = work(key)
            return Made(tokenised.tokens, tokenised.seconds)

        return worker


@dataclass(frozen=True)
class TokenWorker:
    """Makes a worker that turns the key of an image into its pixels and tokens, stored ones where there are any."""

    source: ShardSource
    settings: LabelSettings
    stored: FeatureShardReader | None = None

    def __call__(self) -> Callable[[str], Tokenised]:
        from ops.features import extract

        backbone = worker_backbone(self.settings)
        reader = self.source.open()

        def worker(key: str) -> Tokenised:
            watch = Stopwatch()
            with watch.phase("read"):
                image = read_image(reader, key, self.settings.limits)
            with watch.phase("features"):
                if self.stored is None:
                    tokens = extract(backbone, [image], self.settings.backbone.size)[0]
                else:
                    tokens = self.stored[key]
            return Tokenised(image, tokens, backbone.defaults, watch.seconds)

        return worker


@dataclass(frozen=True)
class DivideFinish:
    """Turns an image's tokens into MaskCut's objects; needs no GPU."""

    settings: LabelSettings

    def __call__(self, tokenised: Tokenised) -> Made:
        from ops.divide import divide_image

        watch = Stopwatch(dict(tokenised.seconds))
        with watch.phase("maskcut"):
            objects = divide_image(tokenised.image, tokenised.tokens, self.settings, tokenised.defaults)
        return Made(objects, watch.seconds)


@dataclass(frozen=True)
class HierarchyWorker:
    """Makes a worker that turns the key of an image into its mask tree, given MaskCut's objects."""

    source: ShardSource
    settings: LabelSettings
    objects: MaskShardReader

    def __call__(self) -> Callable[[str], Made]:
        from ops.recipes import hierarchy

        backbone = worker_backbone(self.settings)
        reader = self.source.open()

        def worker(key: str) -> Made:
            watch = Stopwatch()
            with watch.phase("read"):
                image = read_image(reader, key, self.settings.limits)
                objects = self.objects[key]
            with watch.phase(self.settings.recipe):
                masks = hierarchy(image, objects, backbone, self.settings)
            return Made(masks, watch.seconds)

        return worker


def worker_backbone(settings: LabelSettings) -> Backbone:
    """The backbone that the settings name, on the GPU that the process was given, else on the CPU.

    It stays loaded, so that a process which goes on to the next stage or shard does not load it again.
    """
    from models.backbone import best_device

    return _loaded(settings.backbone, best_device())


def weight_hash(settings: LabelSettings) -> str:
    """What identifies the backbone's weights in provenance."""
    return _loaded(settings.backbone, "cpu").weight_hash


@dataclass(frozen=True)
class WeightHasher:
    """Makes a worker that tells `weight_hash`, where the backbone will be needed next."""

    settings: LabelSettings

    def __call__(self) -> Callable[[object], str]:
        return lambda _: worker_backbone(self.settings).weight_hash


def read_image(reader: ShardReader, key: str, limits: LimitSettings) -> np.ndarray:
    """Pixels of image `key`, (H, W, 3) uint8.

    Raises:
        UnreadableImage, MissingMember: it cannot be read any more.
    """
    return decode_image(reader.read(key), limits.max_pixels, limits.min_side)


@lru_cache(maxsize=1)
def _loaded(backbone: BackboneSettings, device: str) -> Any:
    from models.backbones import load_backbone

    return load_backbone(backbone.name, backbone.weights, device, backbone.precision)
