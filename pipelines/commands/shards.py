"""`unsam add` and `unsam gc`: what is registered, and what is swept."""

from __future__ import annotations

from collections.abc import Sequence

from ops.evaluation_photos import evaluation_homes
from pipelines.commands.console import err, errors_in_one_line, out, table
from pipelines.instance import open_instance
from pipelines.registration import register_paths
from stores.home import Home
from stores.manifests import registered
from stores.tars import UnsafeArchive


def add(paths: Sequence[str], shard_size: int) -> int:
    """Register paths; prints every new shard and what was skipped."""
    home = Home.from_environment()
    with open_instance(home) as instance, errors_in_one_line(FileNotFoundError, ValueError, UnsafeArchive):
        found = register_paths(home, instance, paths, shard_size)
    rows = [(source.shard, source.kind, len(source.members), source.url) for source in found.new]
    if rows:
        out.print(table("New shards", ["shard", "kind", "images", "where"], rows))
    else:
        err.print("Nothing new: every image there is in a shard already, or there are no images.")
    for source in found.new:
        for reason, count in source.skipped.items():
            err.print(f"skipped {count}: {reason}", highlight=False)
        for problem in source.problems:
            err.print(f"[yellow]{source.url}: {problem}[/yellow]", highlight=False)
    return 0 if found.shards else 1


def sweep(keep: int, min_age: float) -> int:
    """Sweep every versioned value of the home and of what was evaluated in it."""
    home = Home.from_environment()
    swept = 0
    for place in (home, *evaluation_homes(home)):
        for kind, asset, shard in _values(place):
            names = place.versions(kind, asset, shard).sweep(keep=keep, min_age=min_age)
            swept += len(names)
            for name in names:
                err.print(f"swept {place.location / kind / asset / shard / name}", highlight=False, soft_wrap=True)
    out.print(f"{swept} versions or leftovers swept")
    return 0


def _values(home: Home) -> list[tuple[str, str, str]]:
    shards = registered(home)
    found = [("manifests", "shard_manifest", shard) for shard in shards]
    for kind, root in (("features", home.features), ("masks", home.masks)):
        for asset in root.iterdir():
            found += [(kind, asset.name, shard.name) for shard in asset.iterdir()]
    return found
