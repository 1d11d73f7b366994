"""What a promptable model finds in a shard by itself: the automatic mask generator on every image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from models.backbone import best_device
from ops.automatic.settings import GeneratorSettings
from ops.fanout import Fanout
from ops.phases import Stopwatch
from ops.settings import LimitSettings
from ops.stage_workers import Made, read_image
from ops.stages import Provenance, Say, StageReport, run_stage
from stores.home import Home
from stores.location import Location
from stores.mask_store import MaskShardWriter
from stores.shards import ShardSource
from stores.versions import version_of

if TYPE_CHECKING:
    from models.promptable import PromptableModel


def auto_provenance(
    code_version: str, manifest: str, model: str, settings: GeneratorSettings, forced: str | None
) -> Provenance:
    """What decides the masks that the version `model` of `promptable_model` finds in a shard."""
    return {
        "asset": "auto_masks",
        "code": code_version,
        "inputs": {"shard_manifest": manifest, "promptable_model": model},
        "settings": settings.model_dump(mode="json", exclude={"points_per_batch"}),
        "forced": forced,
    }


def auto_shard(
    home: Home,
    provenance: Provenance,
    source: ShardSource,
    keys: Sequence[str],
    model: Location,
    settings: GeneratorSettings,
    limits: LimitSettings,
    pool: Fanout,
    log: Say | None = None,
) -> StageReport:
    """The generator's masks of every image of a shard, each image's as one tree."""
    writer = MaskShardWriter(home.versions_of("auto_masks", source.shard), version_of(provenance), keys)
    worker = AutoWorker(source, model, settings, limits)
    return run_stage(writer, provenance, worker, pool, f"auto_masks of {source.shard}", log)


@dataclass(frozen=True)
class AutoWorker:
    """Makes a worker that turns the key of an image into the generator's masks."""

    source: ShardSource
    model: Location
    settings: GeneratorSettings
    limits: LimitSettings

    def __call__(self) -> Callable[[str], Made]:
        from ops.automatic.generator import AutomaticMaskGenerator

        model = _loaded(self.model, best_device())
        generator = AutomaticMaskGenerator(model, self.settings)
        reader = self.source.open()

        def worker(key: str) -> Made:
            watch = Stopwatch()
            with watch.phase("read"):
                image = read_image(reader, key, self.limits)
            with watch.phase("generator"):
                masks = generator.tree(image)
            return Made(masks, watch.seconds)

        return worker


@lru_cache(maxsize=1)
def _loaded(place: Location, device: str) -> PromptableModel:
    from ops.promptable.files import load_promptable_at

    return load_promptable_at(place, device)
