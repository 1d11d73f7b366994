"""`unsam plan`: hours, disk and cost of labelling and training on so many images, from measured rates."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.commands.console import errors_in_one_line, out, table
from pipelines.commands.status import duration

_GIGABYTE = 1e9
_HOUR = 3600.0
SA1B_IMAGES = 11_185_362
SHARES = (0.01, 0.1, 1.0)


@dataclass(frozen=True)
class Rates:
    """What the arithmetic starts from.

    Attributes:
        images_per_second: labelled by one worker: a GPU, or a CPU's core.
        overhead: seconds of a run that are not work: start, queue, checks.
        masks: of an image. mask_bytes: of one on disk. token_bytes: of an image's stored tokens, 0 where none are.
        price: of an hour of one worker.
    """

    images_per_second: float
    overhead: float = 15.0
    masks: float = 300.0
    mask_bytes: float = 620.0
    token_bytes: float = 0.0
    manifest_bytes: float = 160.0
    price: float = 0.0


@dataclass(frozen=True)
class Plan:
    """What so many images need.

    Attributes:
        worker_hours: of all workers together. wall_hours: with so many workers side by side.
        gigabytes: by asset.
        cost: of the worker hours, in the currency of the price.
    """

    images: int
    shards: int
    worker_hours: float
    wall_hours: float
    gigabytes: dict[str, float]
    cost: float


def plan_for(images: int, shard_size: int, workers: int, rates: Rates) -> Plan:
    """The arithmetic: work is divided among workers shard by shard, and every shard pays for its run's start.

    Raises:
        ValueError: a number that is not positive.
    """
    for name, value in (("images", images), ("shard size", shard_size), ("workers", workers)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
    if rates.images_per_second <= 0:
        raise ValueError(f"a rate of {rates.images_per_second} images a second never ends")
    shards = -(-images // shard_size)
    seconds = images / rates.images_per_second + shards * rates.overhead
    waves = -(-shards // workers)
    of_a_shard = min(shard_size, images) / rates.images_per_second + rates.overhead
    sizes = {
        "manifests": images * rates.manifest_bytes,
        "dino_features": images * rates.token_bytes,
        "ncut_masks": images * 3 * rates.mask_bytes,
        "hierarchical_masks": images * rates.masks * rates.mask_bytes,
    }
    return Plan(
        images=images,
        shards=shards,
        worker_hours=seconds / _HOUR,
        wall_hours=min(waves * of_a_shard, seconds) / _HOUR,
        gigabytes={name: size / _GIGABYTE for name, size in sizes.items()},
        cost=seconds / _HOUR * rates.price,
    )


def plan(images: int | None, shard_size: int, workers: int, rates: Rates, currency: str) -> int:
    """Print the plan for `images`, or for 1 %, 10 % and all of SA-1B."""
    counts = [images] if images else [round(SA1B_IMAGES * share) for share in SHARES]
    with errors_in_one_line(ValueError):
        plans = [plan_for(count, shard_size, workers, rates) for count in counts]
    out.print(
        f"{rates.images_per_second:g} images a second a worker, {workers} workers, {shard_size:,} images a shard, "
        f"{rates.overhead:g} s a run beside the work",
        highlight=False,
    )
    columns = ["images", "shards", "worker hours", "time", f"cost ({currency})"]
    rows = [(p.images, p.shards, p.worker_hours, duration(p.wall_hours * _HOUR), p.cost) for p in plans]
    out.print(table("Time", columns, rows))
    sizes = [(p.images, *p.gigabytes.values(), sum(p.gigabytes.values())) for p in plans]
    out.print(table("Disk, in GB", ["images", *plans[0].gigabytes, "all"], sizes))
    return 0
