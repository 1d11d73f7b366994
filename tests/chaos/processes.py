"""The processes that chaos kills: only such as it started, found by their process group."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ops.fanout import LOOPBACK, QUIET
from pipelines.instance import PROJECT


@dataclass
class Started:
    """A process that leads a group of its own."""

    command: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    groups: list[int] = field(default_factory=list)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.environment, cwd=PROJECT, stdout=log, stderr=log, start_new_session=True
            )
        self.groups.append(self.process.pid)

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def code_servers(self) -> list[int]:
        return [pid for pid, command in members(self.groups).items() if "dagster api grpc" in command]

    def stop(self) -> None:
        """End all groups that were ever started, by force."""
        for group in self.groups:
            for pid in members([group]):
                kill(pid)
        if self.process is not None:
            self.process.wait()


def daemon(environment: dict[str, str], log: Path) -> Started:
    """Dagster's daemon with its code server."""
    command = [sys.executable, "-m", "dagster._daemon", "run", "-w", str(PROJECT / "workspace.yaml")]
    return Started(command, environment, log)


def ray_head(port: int, scratch: str, token: Mapping[str, str], log: Path) -> Started:
    """A standing Ray cluster of one node on the loopback; its clients need `token` in their environment."""
    ray = str(Path(sys.executable).with_name("ray"))
    options = ["--head", "--block", f"--port={port}", "--num-cpus=2", "--include-dashboard=false"]
    place = ["--node-ip-address=127.0.0.1", f"--temp-dir={scratch}", "--object-store-memory=200000000"]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | QUIET | LOOPBACK
    environment |= {"RAY_worker_niceness": "0", **token}
    return Started([ray, "start", *options, *place], environment, log)


def runs_of(groups: list[int]) -> list[int]:
    """Processes in which Dagster's runs are executed."""
    return [pid for pid, command in members(groups).items() if "spawn_main" in command]


def workers_of(groups: list[int]) -> list[int]:
    """Ray actors that are at work."""
    return [pid for pid, command in members(groups).items() if command.startswith("ray::PoolActor")]


def members(groups: list[int]) -> dict[int, str]:
    """Command lines of living processes by their id: those in a group, and what its leader's children started."""
    states = _processes()
    found = {pid for pid, (_, group, _) in states.items() if group in groups}
    frontier = set(groups)
    while frontier := {pid for pid, (parent, _, _) in states.items() if parent in frontier}:
        found |= frontier
    return {pid: states[pid][2] for pid in found}


def _processes() -> dict[int, tuple[int, int, str]]:
    """Parent, group and command line of every process that is no zombie."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent, group = (folder / "stat").read_text().rpartition(") ")[2].split()[:3]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            found[int(folder.name)] = (int(parent), int(group), command)
    return found


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
