"""Telling people: Slack by its webhook, e-mail by SMTP; addresses and secrets come from the environment."""

from __future__ import annotations

import json
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import dagster as dg
from pydantic import Field

_SECONDS = 10
_PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True)
class Alerts:
    """Where to tell; empty ones are left out.

    Attributes:
        slack_webhook: https URL of an incoming webhook.
        smtp_url: `smtp://user:password@host:587`, with STARTTLS where a user is named, or `smtps://…`.
        sender, receivers: e-mail addresses, the receivers between commas.
    """

    slack_webhook: str = ""
    smtp_url: str = ""
    sender: str = ""
    receivers: str = ""

    def send(self, subject: str, text: str) -> Iterator[str]:
        """Tell everybody; yields a sentence for each way that failed, without its secrets."""
        if self.slack_webhook:
            try:
                self._to_slack(f"*{subject}*\n{text}")
            except (OSError, ValueError) as error:
                yield f"Slack was not told: {type(error).__name__}: {getattr(error, 'reason', '')}"
        if self.smtp_url and self.receivers:
            try:
                self._by_mail(subject, text)
            except (OSError, ValueError, smtplib.SMTPException) as error:
                yield f"no e-mail was sent: {type(error).__name__}"

    def _to_slack(self, text: str) -> None:
        body = json.dumps({"text": text}).encode()
        request = urllib.request.Request(self.slack_webhook, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=_SECONDS):
            pass

    def _by_mail(self, subject: str, text: str) -> None:
        message = EmailMessage()
        message["Subject"], message["From"], message["To"] = subject, self.sender, self.receivers
        message.set_content(text)
        server = urlsplit(self.smtp_url)
        host, port = server.hostname or "localhost", server.port or _PORTS.get(server.scheme, 25)
        if server.scheme == "smtps":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                host, port, timeout=_SECONDS, context=ssl.create_default_context()
            )
        else:
            connection = smtplib.SMTP(host, port, timeout=_SECONDS)
        with connection:
            if server.username:
                if server.scheme != "smtps":
                    connection.starttls(context=ssl.create_default_context())
                connection.login(unquote(server.username), unquote(server.password or ""))
            connection.send_message(message)


class AlertsResource(dg.ConfigurableResource[Alerts]):
    """Reads UNSAM_SLACK_WEBHOOK, UNSAM_SMTP_URL, UNSAM_MAIL_FROM and UNSAM_MAIL_TO when a run has failed."""

    slack_webhook: str = Field(default="", description="incoming webhook of Slack")
    smtp_url: str = Field(default="", description="as smtp://user:password@host:587")
    sender: str = Field(default="", description="address that mails come from")
    receivers: str = Field(default="", description="addresses that they go to, between commas")

    def create_resource(self, context: dg.InitResourceContext) -> Alerts:
        return Alerts(self.slack_webhook, self.smtp_url, self.sender, self.receivers)


def alerts_from_environment() -> AlertsResource:
    """The resource with every field taken from the environment, where it is set."""
    names = {
        "slack_webhook": "UNSAM_SLACK_WEBHOOK",
        "smtp_url": "UNSAM_SMTP_URL",
        "sender": "UNSAM_MAIL_FROM",
        "receivers": "UNSAM_MAIL_TO",
    }
    return AlertsResource(**{field: dg.EnvVar(name) for field, name in names.items() if dg.EnvVar(name).get_value()})
