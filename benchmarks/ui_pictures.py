"""The Dagster UI over 2000 shards, in a real browser: seconds until its pages can be used, and pictures of them.

Run: `python -m benchmarks.ui_pictures [--shards 2000] [--output docs/pictures]`; needs a Chromium and the packages of
the extra `dev`. Photos and labels are stand-ins, as in `benchmarks.operations`; the events that the UI reads are real.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dagster as dg
from playwright.sync_api import Page, sync_playwright

from benchmarks.machine import describe_machine
from benchmarks.operations import label, write_tars
from ops.sample_photos import write_sample_photos
from ops.staleness import LABEL_ASSETS
from pipelines.backfills import launch, progress_of
from pipelines.daemon import own_daemon
from pipelines.instance import open_instance
from pipelines.process_groups import ended_by_signals, stop_group
from pipelines.registration import register_paths
from pipelines.runner import LabelRequest
from stores.home import Home
from stores.manifests import registered

SECONDS = 60
_EVENTS = {"shard_manifest": 10, "dino_features": 10, "ncut_masks": 10, "hierarchical_masks": 8}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shards", type=int, default=2000)
    parser.add_argument("--output", type=Path, default=Path("docs/pictures"))
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("no Chromium here")
    print(describe_machine())
    with tempfile.TemporaryDirectory(prefix="unsam-ui-") as scratch, ended_by_signals():
        home = Home(f"{scratch}/home")
        write_tars(Path(scratch) / "photos", options.shards)
        label(home, Path(scratch) / "photos")
        tell_dagster(home)
        server, url = start(home)
        try:
            with opened(chromium, height=900) as page:
                take(page, url, options.output)
        finally:
            stop_group(server)
        take_backfill(Path(scratch) / "small", chromium, options.output)


def take_backfill(folder: Path, chromium: str, output: Path) -> None:
    """A real backfill of the sample photos, one a shard, as the UI shows it once half of it is done."""
    home = Home(f"{folder}/home")
    write_sample_photos(folder / "photos")
    request = LabelRequest("small", {"pixel_tree": {"side": 256, "feature_side": 256}, "backbone": {"size": 256}})
    with ExitStack() as stack:
        instance = stack.enter_context(open_instance(home))
        register_paths(home, instance, [str(folder / "photos")], shard_size=1)
        shards = registered(home)
        resources = {"labelling": request.resource_config()}
        name = launch(instance, LABEL_ASSETS, shards, resources, f"unsam backfill: {len(shards)} shards")
        stack.enter_context(own_daemon(instance, home))
        server, url = start(home)
        stack.callback(stop_group, server)
        deadline = time.monotonic() + 10 * SECONDS
        while progress_of(instance, name).succeeded < len(shards) // 2:
            if time.monotonic() > deadline:
                raise TimeoutError(f"backfill {name} does not get on")
            time.sleep(1)
        with opened(chromium, height=620) as page:
            photograph(page, f"{url}/runs/b/{name}", "hierarchical_masks", output / "ui_backfill.jpg")


def tell_dagster(home: Home) -> None:
    """Materialisations of most shards, nine in ten of each asset or fewer, and a backfill of the rest."""
    shards = registered(home)
    with open_instance(home) as instance:
        for asset, share in _EVENTS.items():
            for shard in (shard for number, shard in enumerate(shards) if number % 10 < share):
                instance.report_runless_asset_event(
                    dg.AssetMaterialization(asset, partition=shard, metadata={"images": 2})
                )
        rest = [shard for number, shard in enumerate(shards) if number % 10 >= 8][:20]
        launch(
            instance,
            list(_EVENTS),
            rest,
            {"labelling": LabelRequest("small").resource_config()},
            f"unsam backfill: {len(rest)} stale shards",
        )


def start(home: Home) -> tuple[subprocess.Popen[bytes], str]:
    """The web server alone: nothing is to be run here."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"UNSAM_HOME": str(home.url), "DAGSTER_HOME": f"{home.url}/dagster"}
    command = [sys.executable, "-m", "dagster_webserver", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/server_info", timeout=5):
                return server, url
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    stop_group(server)
    raise TimeoutError(f"{url} does not answer")


def take(page: Page, url: str, output: Path) -> None:
    """Open each page, wait for what a person would look at, and keep a picture."""
    output.mkdir(parents=True, exist_ok=True)
    pages = {
        "ui_partitions": ("/assets/hierarchical_masks?view=partitions", "Failed to materialize|Missing"),
        "ui_automation": ("/automation", "new_shards"),
    }
    for name, (path, awaited) in pages.items():
        seconds = photograph(page, f"{url}{path}", awaited, output / f"{name}.jpg")
        print(f"{path}: usable after {seconds:.1f} s", flush=True)


@contextmanager
def opened(chromium: str, height: int) -> Iterator[Page]:
    """An empty page, 1400 pixels wide."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": height})
        page.set_default_timeout(SECONDS * 1000)
        yield page
        browser.close()


def photograph(page: Page, address: str, awaited: str, path: Path) -> float:
    """Keep a picture of a page on which `awaited` (a pattern) has appeared; returns the seconds until then."""
    begun = time.perf_counter()
    page.goto(address)
    page.wait_for_function(f"() => /{awaited}/.test(document.body.innerText)")
    seconds = time.perf_counter() - begun
    page.wait_for_timeout(3000)
    page.screenshot(path=path, type="jpeg", quality=80)
    return seconds


if __name__ == "__main__":
    main()
