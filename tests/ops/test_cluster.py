"""A real cluster of several nodes on this machine: nodes, workers and the head end at the wrong moment."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

QUIET = {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}

NODES = """
import os, sys, time, ray
from ray.cluster_utils import Cluster
of_head = {"num_cpus": 1, "include_dashboard": False, "temp_dir": sys.argv[1], **HEAD}
cluster = Cluster(initialize_head=True, head_node_args=of_head)
os.environ["RAY_ADDRESS"] = cluster.address
from ops.fanout import Fanout
"""

END = """
ray.shutdown()
cluster.shutdown()
"""

NODE_KILLED = """
HEAD = {}
NODES
node = cluster.add_node(num_cpus=1)
def place():
    import ray, ops
    where = ray.get_runtime_context().get_node_id()
    return lambda item: (time.sleep(0.05), item, where, ops.__file__)
with Fanout() as fanout:
    seen = []
    for outcome in fanout.map(place, range(60), ordered=False):
        seen.append(outcome)
        if len({outcome.value[2] for outcome in seen if outcome.value}) == 2 and len(seen) >= 10 and node:
            cluster.remove_node(node, allow_graceful=False)
            node = None
    assert node is None, "both nodes worked before one was killed"
    assert not [outcome.reason for outcome in seen if outcome.reason]
    assert sorted(outcome.value[1] for outcome in seen) == list(range(60))
    assert all("py_modules" in outcome.value[3] for outcome in seen), "the code was shipped to the workers"
    later = list(fanout.map(place, range(100, 110)))
    assert [outcome.value[1] for outcome in later] == list(range(100, 110)), "the smaller cluster goes on"
END
"""

OUT_OF_MEMORY = """
used = 1 - MemAvailable / MemTotal
HEAD = {"_system_config": {"memory_usage_threshold": used + 1.5e9 / MemTotal, "memory_monitor_refresh_ms": 100}}
NODES
def eater():
    def work(item):
        if item != "hungry":
            time.sleep(0.02)
            return item
        eaten = []
        while True:
            eaten.append(bytearray(os.urandom(1 << 20)) * 64)
            time.sleep(0.02)
    return work
items = [*range(10), "hungry", *range(10, 20)]
with Fanout() as fanout:
    seen = {outcome.item: outcome for outcome in fanout.map(eater, items)}
assert "memory" in seen["hungry"].reason, seen["hungry"]
assert [seen[item].value for item in range(20)] == list(range(20))
END
"""

PARTS = """
import sys, time
from pathlib import Path
from ops.fanout import Fanout
folder = Path(sys.argv[1])
def keeper():
    def work(item):
        time.sleep(0.2)
        return item
    return work
waiting = [item for item in range(60) if not (folder / str(item)).exists()]
with Fanout() as fanout:
    for outcome in fanout.map(keeper, waiting, ordered=False):
        with (folder / str(outcome.item)).open("x") as part:
            part.write(str(outcome.value))
"""


def memory() -> dict[str, int]:
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return {name.rstrip(":"): 1024 * int(size) for name, size, *_ in lines}


def short_folder() -> tempfile.TemporaryDirectory:
    """For Ray's sockets, whose paths may not be long; the folder of a test's own is."""
    return tempfile.TemporaryDirectory(prefix="unsam-", ignore_cleanup_errors=True)


def run(script: str, folder: Path) -> None:
    """Run a script in a folder from which this code cannot be imported by accident.

    Ray's cluster for tests notes its address in a folder that exists only where a Ray has run by its own defaults.
    """
    (Path(tempfile.gettempdir()) / "ray").mkdir(exist_ok=True)
    code = "from pathlib import Path\n" + script.replace("NODES", NODES).replace("END", END)
    for name in ("MemAvailable", "MemTotal"):
        code = code.replace(name, str(memory()[name])) if 'HEAD = {"_system' in script else code
    with short_folder() as scratch:
        result = subprocess.run(
            [sys.executable, "-c", code, scratch],
            cwd=folder,
            env=os.environ | QUIET,
            text=True,
            capture_output=True,
            timeout=280,
        )
    assert result.returncode == 0, result.stderr[-3000:]


@pytest.mark.slow
def test_a_node_killed_in_the_middle_costs_nothing_but_time(tmp_path):
    run(NODE_KILLED, tmp_path)


@pytest.mark.heavy
@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="needs /proc")
def test_a_worker_that_eats_all_memory_is_set_aside_with_its_reason(tmp_path):
    run(OUT_OF_MEMORY, tmp_path)


@pytest.fixture
def scratch():
    with short_folder() as folder:
        yield folder


@pytest.mark.heavy
def test_a_restarted_head_ends_the_run_and_the_next_one_goes_on(tmp_path, scratch):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = (
        os.environ
        | QUIET
        | {
            "RAY_ADDRESS": f"127.0.0.1:{port}",
            "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
        }
    )

    def head() -> subprocess.Popen:
        ray = Path(sys.executable).with_name("ray")
        options = ["--head", "--block", f"--port={port}", "--num-cpus=2", "--include-dashboard=false"]
        place = ["--node-ip-address=127.0.0.1", f"--temp-dir={scratch}"]
        plain = {name: value for name, value in environment.items() if name != "RAY_ADDRESS"}
        return subprocess.Popen(
            [ray, "start", *options, *place], env=plain, stdout=subprocess.DEVNULL, start_new_session=True
        )

    def driver() -> subprocess.Popen:
        parts = tmp_path / "parts"
        parts.mkdir(exist_ok=True)
        errors = (tmp_path / "driver.log").open("a")
        return subprocess.Popen([sys.executable, "-c", PARTS, parts], env=environment, stderr=errors)

    def wait_for(count: int, process: subprocess.Popen) -> None:
        deadline = time.monotonic() + 120
        while len(list((tmp_path / "parts").glob("*"))) < count and time.monotonic() < deadline:
            assert process.poll() is None, (tmp_path / "driver.log").read_text()
            time.sleep(0.1)

    def up(server: subprocess.Popen) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert server.poll() is None
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    time.sleep(3)
                    return
            time.sleep(0.3)

    first = head()
    try:
        up(first)
        cut = driver()
        wait_for(5, cut)
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        assert cut.wait(120) != 0, "a run whose cluster is gone ends, and does not hang"
        done = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "parts").glob("*")}
        assert 5 <= len(done) < 60
        first = head()
        up(first)
        again = driver()
        assert again.wait(120) == 0
        after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "parts").glob("*")}
        assert len(after) == 60
        assert after.items() >= done.items(), "what was finished was not made again"
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
