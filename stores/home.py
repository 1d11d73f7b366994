"""The one root under which all state lies."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stores.location import Location
from stores.versions import Versions

HOME_VARIABLE = "UNSAM_HOME"
DEFAULT_HOME = ".unsam"
KINDS = ("manifests", "features", "masks", "models", "reports")
_KIND_OF = {
    "shard_manifest": "manifests",
    "image_tags": "manifests",
    "dino_features": "features",
    "image_classifier": "models",
}


@dataclass(frozen=True)
class Home:
    """All state of one project: `manifests/ features/ masks/ models/ reports/ dagster/` below one path or URL.

    Attributes:
        url: local path or fsspec URL.
        options: storage options for fsspec.
    """

    url: str | Path
    options: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def from_environment(cls) -> Home:
        """The home that `UNSAM_HOME` names, else `./.unsam`."""
        return cls(os.environ.get(HOME_VARIABLE) or DEFAULT_HOME)

    @property
    def location(self) -> Location:
        return Location(str(self.url), self.options)

    @property
    def manifests(self) -> Location:
        return self.location / "manifests"

    @property
    def features(self) -> Location:
        return self.location / "features"

    @property
    def masks(self) -> Location:
        return self.location / "masks"

    @property
    def models(self) -> Location:
        return self.location / "models"

    @property
    def reports(self) -> Location:
        return self.location / "reports"

    def versions(self, kind: str, asset: str, shard: str | None = None) -> Versions:
        """The versions of an asset, of one shard where it is partitioned: `<kind>/<asset>/<shard>/`.

        Raises:
            ValueError: `kind` is none of `KINDS`.
        """
        if kind not in KINDS:
            raise ValueError(f"kind {kind!r} is none of {', '.join(KINDS)}")
        place = self.location / kind / asset
        return Versions(place / shard if shard else place)

    def versions_of(self, asset: str, shard: str | None = None) -> Versions:
        """The versions of an asset under the kind that it is: NAME_model is a model, what is no other kind is masks."""
        kind = "models" if asset.endswith("_model") else _KIND_OF.get(asset, "masks")
        return self.versions(kind, asset, shard)
