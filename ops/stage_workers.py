"""What a Ray actor does with one image of a shard; light to import, since the driver pickles it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from ops.settings import LabelSettings
from stores.feature_store import FeatureShardReader
from stores.images import UnreadableImage, decode_image
from stores.mask_store import MaskShardReader
from stores.masks import MaskSet
from stores.shards import MissingMember, ShardReader, ShardSource

REFUSABLE = (UnreadableImage, MissingMember)


@dataclass(frozen=True)
class Labelled:
    """Masks of one image, and the seconds that each phase took."""

    masks: MaskSet
    seconds: dict[str, float]


@dataclass
class Stopwatch:
    """Adds up wall time by phase."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begun


@dataclass(frozen=True)
class FeatureWorker:
    """Makes a worker that turns the key of an image into its tokens, (h, w, C) float32."""

    source: ShardSource
    settings: LabelSettings
    device: str

    def __call__(self) -> Callable[[str], np.ndarray]:
        from ops.features import extract

        backbone = load(self.settings, self.device)
        reader = self.source.open()
        return lambda key: extract(backbone, [read(reader, key, self.settings)], self.settings.backbone.size)[0]


@dataclass(frozen=True)
class DivideWorker:
    """Makes a worker that turns the key of an image into MaskCut's objects, from stored tokens where there are any."""

    source: ShardSource
    settings: LabelSettings
    device: str
    tokens: FeatureShardReader | None = None

    def __call__(self) -> Callable[[str], Labelled]:
        from ops.recipes import divide

        backbone = load(self.settings, self.device)
        reader = self.source.open()

        def work(key: str) -> Labelled:
            watch = Stopwatch()
            with watch.phase("read"):
                image = read(reader, key, self.settings)
                tokens = None if self.tokens is None else self.tokens[key]
            with watch.phase("divide"):
                masks = divide(image, backbone, self.settings, tokens=tokens)
            return Labelled(masks, watch.seconds)

        return work


@dataclass(frozen=True)
class HierarchyWorker:
    """Makes a worker that turns the key of an image into its mask tree, given MaskCut's objects."""

    source: ShardSource
    settings: LabelSettings
    device: str
    objects: MaskShardReader

    def __call__(self) -> Callable[[str], Labelled]:
        from ops.recipes import hierarchy

        backbone = load(self.settings, self.device)
        reader = self.source.open()

        def work(key: str) -> Labelled:
            watch = Stopwatch()
            with watch.phase("read"):
                image = read(reader, key, self.settings)
                objects = self.objects[key]
            with watch.phase(self.settings.recipe):
                masks = hierarchy(image, objects, backbone, self.settings)
            return Labelled(masks, watch.seconds)

        return work


def load(settings: LabelSettings, device: str):
    """The backbone that the settings name, on `device`."""
    from models.backbones import load_backbone

    chosen = settings.backbone
    return load_backbone(chosen.name, chosen.weights, device, chosen.precision)


def read(reader: ShardReader, key: str, settings: LabelSettings) -> np.ndarray:
    """Pixels of image `key`, (H, W, 3) uint8.

    Raises:
        UnreadableImage, MissingMember: it cannot be read any more.
    """
    return decode_image(reader.read(key), settings.limits.max_pixels, settings.limits.min_side)
