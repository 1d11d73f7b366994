"""Between assets travels the name of a version; the value itself lies in the stores."""

from __future__ import annotations

import dagster as dg

from stores.home import Home
from stores.versions import NoVersion


class VersionIOManager(dg.IOManager):
    """Loads the current version of an upstream asset (of its shard); the asset itself has published it."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def handle_output(self, context: dg.OutputContext, obj: str) -> None:
        """Refuse a version that is not what readers will be given.

        Raises:
            NoVersion: the asset returned another version than it published.
        """
        current = self._current(context.asset_key, context.partition_key if context.has_asset_partitions else None)
        if current != obj:
            raise NoVersion(f"{context.asset_key.to_user_string()} returned {obj}, but {current} is current")

    def load_input(self, context: dg.InputContext) -> str:
        return self._current(context.asset_key, context.asset_partition_key if context.has_asset_partitions else None)

    def _current(self, asset: dg.AssetKey, shard: str | None) -> str:
        return self.home.versions_of(asset.path[-1], shard).readable()


@dg.io_manager(required_resource_keys={"home"})
def version_io_manager(context: dg.InitResourceContext) -> VersionIOManager:
    return VersionIOManager(context.resources.home)
