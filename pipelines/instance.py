"""Where Dagster keeps its runs, and the instance that the command line, the UI and the daemon share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from stores.home import DEFAULT_HOME, Home

PROJECT = Path(__file__).parent.parent
SHARD_PARTITIONS = "shard"
DAEMON_SETTINGS = {
    # Reading the headers of a large tar in a bucket takes minutes.
    "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS": "600",
    # A backfill waits for a code location that fails to load for a while, instead of ending with it.
    "DAGSTER_BACKFILL_RETRY_DEFINITION_CHANGED_ERROR": "1",
}
_KEYS_A_CALL = 1000


def dagster_home(home: Home) -> Path:
    """The folder of Dagster's own state, made and configured where it is not there yet.

    `DAGSTER_HOME` where it is set, else `dagster/` inside a local home, else `./.unsam/dagster`.
    """
    named = os.environ.get("DAGSTER_HOME")
    if named:
        folder = Path(named)
    elif home.location.is_local:
        folder = Path(home.location.local_path) / "dagster"
    else:
        folder = Path(DEFAULT_HOME) / "dagster"
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "dagster.yaml").exists():
        shutil.copyfile(PROJECT / "dagster.yaml", folder / "dagster.yaml")
    return folder


@contextmanager
def open_instance(home: Home) -> Iterator[dg.DagsterInstance]:
    """The persistent Dagster instance of `home`; `DAGSTER_HOME` names it while it is open."""
    folder = dagster_home(home)
    before = os.environ.get("DAGSTER_HOME")
    os.environ["DAGSTER_HOME"] = str(folder)
    try:
        with dg.DagsterInstance.from_config(str(folder)) as instance:
            yield instance
    finally:
        if before is None:
            del os.environ["DAGSTER_HOME"]
        else:
            os.environ["DAGSTER_HOME"] = before


def add_partitions(instance: dg.DagsterInstance, shards: Sequence[str]) -> None:
    """Make partitions of shards, in batches: one call with tens of thousands of keys breaks SQLite."""
    for start in range(0, len(shards), _KEYS_A_CALL):
        instance.add_dynamic_partitions(SHARD_PARTITIONS, list(shards[start : start + _KEYS_A_CALL]))
