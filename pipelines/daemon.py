"""Dagster's daemon, which launches queued runs, backfills, schedules and sensors: seen, or started for a while."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from pipelines.instance import DAEMON_SETTINGS, PROJECT, dagster_home
from pipelines.process_groups import stop_group
from stores.home import Home

_SILENCE = 75.0
_BACKFILL_DAEMON = "BACKFILL"
LOG = "daemon.log"


def daemon_is_alive(instance: dg.DagsterInstance) -> bool:
    """Whether a daemon gave a sign of life within the last 75 seconds; it does so every 30."""
    beat = instance.get_daemon_heartbeats().get(_BACKFILL_DAEMON)
    return beat is not None and time.time() - beat.timestamp < _SILENCE


@contextmanager
def own_daemon(instance: dg.DagsterInstance, home: Home) -> Iterator[Path]:
    """A daemon of this process, ended with the block; gives the file that it logs to.

    Its end is told to the instance, so that the next command does not wait for a daemon that is gone.
    """
    folder = dagster_home(home)
    log = folder / LOG
    environment = os.environ | daemon_environment(home, folder)
    command = [sys.executable, "-m", "dagster._daemon", "run", "-w", str(PROJECT / "workspace.yaml")]
    with log.open("ab") as file:
        process = subprocess.Popen(
            command, cwd=PROJECT, env=environment, stdout=file, stderr=file, start_new_session=True
        )
    try:
        yield log
    finally:
        stop_group(process)
        instance.wipe_daemon_heartbeats()


def daemon_environment(home: Home, folder: Path) -> dict[str, str]:
    """What the daemon and the code location are started with."""
    return {"DAGSTER_HOME": str(folder), "UNSAM_HOME": home.location.url} | {
        name: value for name, value in DAEMON_SETTINGS.items() if name not in os.environ
    }
