"""A failed run is told to a real web server and a real mail server."""

import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest

from pipelines.alerts import Alerts, alerts_from_environment
from pipelines.sensors import failed_runs_sensor


class Slack(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told.append(json.loads(body)["text"])
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


class Mail(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as one message takes."""

    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        while line := self.rfile.readline():
            match line.strip().upper().split(b" ")[0]:
                case b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    self.server.told.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
                    self.wfile.write(b"250 kept\r\n")
                case b"QUIT":
                    self.wfile.write(b"221 bye\r\n")
                    return
                case _:
                    self.wfile.write(b"250 yes\r\n")


@pytest.fixture
def servers():
    started = []
    for server in (HTTPServer(("127.0.0.1", 0), Slack), socketserver.TCPServer(("127.0.0.1", 0), Mail)):
        server.told = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
    yield started
    for server in started:
        server.shutdown()
        server.server_close()


def test_a_failed_run_is_told_with_its_reason(servers, monkeypatch):
    slack, mail = servers
    monkeypatch.setenv("UNSAM_SLACK_WEBHOOK", f"http://127.0.0.1:{slack.server_port}/hook")
    monkeypatch.setenv("UNSAM_SMTP_URL", f"smtp://127.0.0.1:{mail.server_address[1]}")
    monkeypatch.setenv("UNSAM_MAIL_FROM", "unsam@example.org")
    monkeypatch.setenv("UNSAM_MAIL_TO", "one@example.org, two@example.org")

    @dg.op
    def breaks() -> None:
        raise ValueError("the tar is cut off")

    @dg.job(tags={"dagster/partition": "sa-000001-0000"})
    def labelling() -> None:
        breaks()

    with dg.DagsterInstance.ephemeral() as instance:
        result = labelling.execute_in_process(instance=instance, raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            sensor_name="failed_runs",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=result.get_run_failure_event(),
            resources={"alerts": alerts_from_environment()},
        ).for_run_failure()
        failed_runs_sensor()(context)
    assert slack.told == [f"*unsam: sa-000001-0000 failed*\nsa-000001-0000: the tar is cut off\nrun {result.run_id}"]
    assert len(mail.told) == 1
    assert "To: one@example.org, two@example.org" in mail.told[0]
    assert "Subject: unsam: sa-000001-0000 failed" in mail.told[0]
    assert "the tar is cut off" in mail.told[0]


def test_what_cannot_be_told_is_said_without_secrets():
    alerts = Alerts("http://127.0.0.1:9/secret", "smtp://user:secret@127.0.0.1:9", "a@b.org", "c@d.org")
    problems = list(alerts.send("subject", "text"))
    assert len(problems) == 2
    assert "secret" not in " ".join(problems)


def test_nobody_to_tell():
    assert list(Alerts().send("subject", "text")) == []
