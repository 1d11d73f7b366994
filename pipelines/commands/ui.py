"""`unsam ui`: Dagster's web server and daemon on this machine, stopped together."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from pipelines.commands.console import err, errors_in_one_line, out
from pipelines.daemon import daemon_environment
from pipelines.instance import PROJECT, dagster_home
from pipelines.process_groups import ended_by_signals, stop_group
from stores.home import Home


def serve(host: str, port: int) -> int:
    """Run until Ctrl-C or a TERM signal; no child is left behind."""
    home = Home.from_environment()
    with errors_in_one_line(OSError):
        _refuse_taken_port(host, port)
    environment = os.environ | daemon_environment(home, dagster_home(home))
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-w",
        str(PROJECT / "workspace.yaml"),
        "-h",
        host,
        "-p",
        str(port),
    ]
    out.print(f"Dagster UI: [bold]http://{host}:{port}[/bold]   (home {home.location}; Ctrl-C stops it)")
    server = subprocess.Popen(command, cwd=PROJECT, env=environment, start_new_session=True)
    try:
        with ended_by_signals():
            return server.wait()
    except KeyboardInterrupt:
        err.print("stopping …")
        return 0
    finally:
        stop_group(server)


def _refuse_taken_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise OSError(f"cannot listen on {host}:{port} ({error.strerror}); choose another with --port") from error
