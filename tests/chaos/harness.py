"""Shards labelled by a backfill while runs, workers, code server and daemon are killed at random; then all is compared.

What must hold, whatever is killed when: every good image is labelled exactly once, every bad one is quarantined with
its reason, the masks are those of a plain loop that nobody disturbed, and no reader ever saw a half-written version.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import yaml

from ops.fanout import LOOPBACK
from ops.presets import load_settings
from ops.stage_workers import DivideFinish, HierarchyWorker, TokenWorker
from ops.staleness import LABEL_ASSETS
from pipelines.backfills import BackfillProgress, launch, progress_of
from pipelines.daemon import daemon_environment
from pipelines.instance import open_instance
from pipelines.registration import register_paths
from pipelines.runner import LabelRequest
from stores.home import Home
from stores.manifests import build_manifest, open_manifest, registered, source_of
from stores.mask_store import MaskShardWriter, open_masks
from stores.versions import NoVersion
from tests.chaos.processes import Started, daemon, kill, ray_head, runs_of, workers_of
from tests.chaos.reader import ASSETS, RestlessReader, digest
from tests.chaos.shards import Expected, make_shards

VICTIMS = ("run", "worker", "daemon", "code server")
REQUEST = LabelRequest("small", {"pixel_tree": {"side": 160, "feature_side": 160}, "backbone": {"size": 160}})
_PROJECT = Path(__file__).parents[2]
_PORT_SECONDS = 90
_RESTART_SECONDS = 1.0


@dataclass(frozen=True)
class Chaos:
    """How much of it.

    Attributes:
        kills: processes that are killed before peace returns.
        every: seconds between two kills, the least and the most.
        patience: seconds until the backfill must be over.
    """

    shards: int = 60
    kills: int = 60
    every: tuple[float, float] = (2.0, 8.0)
    patience: float = 7200
    seed: int = 0


@dataclass
class Verdict:
    """What came of it.

    Attributes:
        problems: what should not be; none is the goal.
        killed: processes by their part. rounds: backfills until every shard was done.
    """

    problems: list[str] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)
    reads: int = 0
    rounds: int = 0
    seconds: float = 0.0
    images: int = 0
    quarantined: int = 0


def run_chaos(folder: Path, chaos: Chaos, say: Callable[[str], None] = print) -> Verdict:
    """Do all of it in `folder`, which must be empty and on a local disk."""
    begun = time.monotonic()
    expected = make_shards(folder / "photos", chaos.shards)
    home, calm = Home(str(folder / "home")), Home(str(folder / "calm"))
    verdict = Verdict()
    with ExitStack() as stack:
        instance = stack.enter_context(_instance(home, folder))
        register_paths(home, instance, sorted(expected))
        shards = registered(home)
        say(f"{len(shards)} shards registered; a plain loop makes what is expected …")
        label_calmly(home, calm, shards)
        ray, dagster = _servers(stack, folder, home)
        reader = stack.enter_context(RestlessReader(home, shards))
        _backfill(instance, home, chaos, ray, dagster, verdict, say)
    verdict.problems += reader.problems
    verdict.reads = reader.reads
    verdict.problems += list(compare(home, calm, expected, verdict))
    verdict.seconds = time.monotonic() - begun
    return verdict


def label_calmly(home: Home, calm: Home, shards: list[str]) -> None:
    """What the assets compute, one image after the other in this process, stored in `calm`."""
    settings = load_settings("small", overrides=_overrides())
    for shard in shards:
        source = source_of(home, shard)
        keys = build_manifest(source).keys
        objects = MaskShardWriter(calm.versions_of("ncut_masks", shard), "calm", keys)
        tokens, finish = TokenWorker(source, settings)(), DivideFinish(settings)
        for key in keys:
            objects.add(key, finish(tokens(key)).content)
        objects.finish({})
        masks = MaskShardWriter(calm.versions_of("hierarchical_masks", shard), "calm", keys)
        worker = HierarchyWorker(source, settings, open_masks(calm, "ncut_masks", shard))()
        for key in keys:
            masks.add(key, worker(key).content)
        masks.finish({})


def compare(home: Home, calm: Home, expected: dict[str, Expected], verdict: Verdict) -> list[str]:
    """What differs from what is expected; counts images and quarantined files on the way."""
    problems = []
    for shard in registered(home):
        wanted = expected[source_of(home, shard).url]
        try:
            manifest = open_manifest(home, shard)
            masks = {asset: open_masks(home, asset, shard) for asset in ASSETS}
        except NoVersion as error:
            problems.append(f"{shard} is not done: {error}")
            continue
        if manifest.quarantined.keys() != wanted.bad or not all(manifest.quarantined.values()):
            problems.append(f"{shard}: quarantined {manifest.quarantined}, not {sorted(wanted.bad)}")
        for asset, reader in masks.items():
            if sorted(reader.keys) != sorted(wanted.good):
                problems.append(f"{asset} of {shard} holds {reader.keys}, not {sorted(wanted.good)} once each")
            elif digest(reader) != digest(open_masks(calm, asset, shard)):
                problems.append(f"{asset} of {shard} differs from an undisturbed run's")
        verdict.images += len(masks[ASSETS[-1]].keys)
        verdict.quarantined += len(manifest.quarantined)
    return problems


def _backfill(
    instance: dg.DagsterInstance,
    home: Home,
    chaos: Chaos,
    ray: Started,
    dagster: Started,
    verdict: Verdict,
    say: Callable[[str], None],
) -> None:
    """Backfills until no shard is left: the first under fire, those after it for what failed too often."""
    deadline = time.monotonic() + chaos.patience
    shards = registered(home)
    rng = random.Random(chaos.seed)
    while shards and time.monotonic() < deadline:
        verdict.rounds += 1
        resources = {"labelling": REQUEST.resource_config()}
        name = launch(instance, LABEL_ASSETS, shards, resources)
        say(f"backfill {name} of {len(shards)} shards")
        seen = _under_fire(instance, name, chaos, ray, dagster, rng, verdict, deadline, say)
        say(f"backfill {name}: {seen.succeeded} done, {seen.failed} failed, {seen.state}")
        shards = [shard for shard in registered(home) if _is_missing(home, shard)]
    if shards:
        verdict.problems.append(f"{len(shards)} shards were not done within {chaos.patience:.0f} s")


def _under_fire(
    instance: dg.DagsterInstance,
    name: str,
    chaos: Chaos,
    ray: Started,
    dagster: Started,
    rng: random.Random,
    verdict: Verdict,
    deadline: float,
    say: Callable[[str], None],
) -> BackfillProgress:
    strike = time.monotonic() + rng.uniform(*chaos.every)
    while True:
        if not dagster.is_alive():
            time.sleep(_RESTART_SECONDS)
            dagster.start()
        seen = progress_of(instance, name)
        if seen.is_over or time.monotonic() > deadline:
            return seen
        if verdict.killed.total() < chaos.kills and time.monotonic() > strike:
            if victim := _strike(ray, dagster, rng, verdict.killed):
                verdict.killed[victim] += 1
                say(f"killed a {victim}: {seen.succeeded} of {seen.total} shards are done")
            strike = time.monotonic() + rng.uniform(*chaos.every)
        time.sleep(0.5)


def _strike(ray: Started, dagster: Started, rng: random.Random, killed: Counter[str]) -> str | None:
    """Kill one process of a part that was hit least; None where no such part has one now."""
    parts = {
        "run": runs_of(dagster.groups),
        "worker": workers_of(ray.groups),
        "daemon": [dagster.process.pid] if dagster.process else [],
        "code server": dagster.code_servers(),
    }
    least = min(killed[part] for part in VICTIMS)
    able = [part for part in VICTIMS if parts[part] and killed[part] == least]
    if not able:
        return None
    part = rng.choice(able)
    kill(rng.choice(parts[part]))
    return part


def _is_missing(home: Home, shard: str) -> bool:
    return home.versions_of(LABEL_ASSETS[-1], shard).current() is None


def _instance(home: Home, folder: Path) -> AbstractContextManager[dg.DagsterInstance]:
    """The project's own dagster.yaml, but two runs at once, and dead ones are noticed soon."""
    place = folder / "home" / "dagster"
    place.mkdir(parents=True)
    settings = yaml.safe_load((_PROJECT / "dagster.yaml").read_text())
    settings["run_monitoring"] |= {"poll_interval_seconds": 5, "start_timeout_seconds": 120}
    settings["concurrency"] = {"runs": {"max_concurrent_runs": 2}, "pools": {"granularity": "op", "default_limit": 2}}
    (place / "dagster.yaml").write_text(yaml.safe_dump(settings))
    return open_instance(home)


def _servers(stack: ExitStack, folder: Path, home: Home) -> tuple[Started, Started]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    scratch = tempfile.mkdtemp(prefix="unsam-")
    stack.callback(shutil.rmtree, scratch, ignore_errors=True)
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    ray = ray_head(port, scratch, token, folder / "ray.log")
    address = {"RAY_ADDRESS": f"127.0.0.1:{port}", **LOOPBACK}
    environment = os.environ | token | address | daemon_environment(home, folder / "home" / "dagster")
    dagster = daemon(environment, folder / "daemon.log")
    for server in (ray, dagster):
        stack.callback(server.stop)
    ray.start()
    _wait_for_port(port, ray)
    dagster.start()
    return ray, dagster


def _wait_for_port(port: int, server: Started) -> None:
    deadline = time.monotonic() + _PORT_SECONDS
    while time.monotonic() < deadline:
        if not server.is_alive():
            raise RuntimeError(f"Ray has not started: {server.log.read_text()[-2000:]}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise TimeoutError(f"Ray does not listen on {port}")


def _overrides() -> list[str]:
    return [f"{section}.{knob}={value}" for section, knobs in REQUEST.values.items() for knob, value in knobs.items()]
