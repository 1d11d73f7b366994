"""The labels of UnSAM+ over a shard: human masks where there are any, and what they leave over (spec 6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ops.fanout import Fanout
from ops.phases import Stopwatch
from ops.plus_labels import merge_plus_labels
from ops.stage_workers import Made
from ops.stages import Provenance, Say, StageReport, run_stage
from stores.home import Home
from stores.mask_store import MaskShardReader, MaskShardWriter
from stores.masks import MaskSet
from stores.versions import version_of

_STARTING = {"round1": "round1_model", "unsam": "unsam_model"}


def starting_model(home: Home, initial: str) -> dict[str, str] | None:
    """The model that training goes on from, version by asset; None for the backbone. `initial` is `plus.initial`.

    Raises:
        NoVersion: there is no such model yet.
    """
    asset = _STARTING.get(initial)
    return {asset: home.versions_of(asset).readable()} if asset else None


@dataclass(frozen=True)
class PlusInputs:
    """The two mask sources of a shard and what they are called in provenance.

    Attributes:
        human: of `sa1b_masks`. unsupervised: of the asset `unsupervised_asset`.
    """

    human: MaskShardReader
    unsupervised: MaskShardReader
    unsupervised_asset: str

    def versions(self) -> dict[str, str]:
        return {"sa1b_masks": self.human.version, self.unsupervised_asset: self.unsupervised.version}


def plus_provenance(
    asset: str, code_version: str, inputs: PlusInputs, tau: float | None, forced: str | None
) -> Provenance:
    """What decides the labels of a shard."""
    return {
        "asset": asset,
        "code": code_version,
        "inputs": inputs.versions(),
        "settings": {"plus": {"tau": tau}},
        "forced": forced,
    }


def plus_shard(
    home: Home,
    provenance: Provenance,
    shard: str,
    keys: Sequence[str],
    inputs: PlusInputs,
    pool: Fanout,
    log: Say | None = None,
) -> StageReport:
    """Labels of every image of `keys` that has masks of either source."""
    asset, tau = provenance["asset"], provenance["settings"]["plus"]["tau"]
    labelled = [key for key in keys if key in inputs.human or key in inputs.unsupervised]
    writer = MaskShardWriter(home.versions_of(asset, shard), version_of(provenance), labelled)
    worker = PlusWorker(inputs.human, inputs.unsupervised, tau)
    return run_stage(writer, provenance, worker, pool, f"{asset} of {shard}", log)


@dataclass(frozen=True)
class PlusWorker:
    """Makes a worker that turns the key of an image into the union of its masks, see `merge_plus_labels`."""

    human: MaskShardReader
    unsupervised: MaskShardReader
    tau: float | None

    def __call__(self) -> Callable[[str], Made]:
        def worker(key: str) -> Made:
            watch = Stopwatch()
            with watch.phase("read"):
                human, unsupervised = self._read(key)
            with watch.phase("merge"):
                masks = merge_plus_labels(human, unsupervised, self.tau)
            return Made(masks, watch.seconds)

        return worker

    def _read(self, key: str) -> tuple[MaskSet, MaskSet]:
        """Both sets; one may lack the image, not both."""
        if key not in self.human:
            unsupervised = self.unsupervised[key]
            return MaskSet.empty(unsupervised.size), unsupervised
        human = self.human[key]
        return human, self.unsupervised[key] if key in self.unsupervised else MaskSet.empty(human.size)
