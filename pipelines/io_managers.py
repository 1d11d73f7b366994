"""Between assets travels the name of a version; the value itself lies in the stores."""

from __future__ import annotations

import dagster as dg

from stores.home import Home
from stores.versions import NoVersion

KINDS = {"shard_manifest": "manifests", "dino_features": "features"}


class VersionIOManager(dg.IOManager):
    """Loads the current version of an upstream asset's shard; the asset itself has published it."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def handle_output(self, context: dg.OutputContext, obj: str) -> None:
        """Refuse a version that is not what readers will be given.

        Raises:
            NoVersion: the asset returned another version than it published.
        """
        current = self._current(context.asset_key, context.partition_key)
        if current != obj:
            raise NoVersion(f"{context.asset_key.to_user_string()} returned {obj}, but {current} is current")

    def load_input(self, context: dg.InputContext) -> str:
        return self._current(context.asset_key, context.partition_key)

    def _current(self, asset: dg.AssetKey, shard: str) -> str:
        name = asset.path[-1]
        return self.home.versions(KINDS.get(name, "masks"), name, shard).readable()


@dg.io_manager(required_resource_keys={"home"})
def version_io_manager(context: dg.InitResourceContext) -> VersionIOManager:
    return VersionIOManager(context.resources.home)
