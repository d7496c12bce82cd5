"""The mailers are mailers: each passes the contract every mailer passes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from socket import socket

import pytest
import trustme

from invoicecore.plugins import Plugins
from invoicecore.ports import Mailer
from invoicecore.testing.mailer_contract import MailerContract, Received
from invoicecore_adapters import mail
from invoicecore_adapters.mail.memory import MemoryMailer
from mails import SENDER
from smtp_server import SmtpServer, authority, ca_file, certificate, running  # noqa: F401  # fixtures


class TestSmtpMailer(MailerContract):
    @pytest.fixture
    def server(self, certificate: trustme.LeafCert) -> Iterator[SmtpServer]:  # noqa: F811  # the fixture
        with running(tls="starttls", certificate=certificate, password="secret") as server:
            yield server

    @pytest.fixture
    def mailer(self, server: SmtpServer, ca_file: Path) -> Mailer:  # noqa: F811  # the fixture
        url = f"smtp://park:secret@127.0.0.1:{server.port}?sender={SENDER}&ca={ca_file}"
        return Plugins.of(mail.plugin).mailer(url)

    @pytest.fixture
    def received(self, server: SmtpServer) -> Received:
        return lambda: server.messages

    @pytest.fixture
    def unreachable(self) -> Mailer:
        with socket() as closed:
            closed.bind(("127.0.0.1", 0))
            port = closed.getsockname()[1]
        return Plugins.of(mail.plugin).mailer(f"smtp://127.0.0.1:{port}?sender={SENDER}")


class TestFilesMailer(MailerContract):
    @pytest.fixture
    def mailer(self, tmp_path: Path) -> Mailer:
        return Plugins.of(mail.plugin).mailer(f"files://{tmp_path}/out?sender={SENDER}")

    @pytest.fixture
    def received(self, tmp_path: Path) -> Received:
        return lambda: [path.read_bytes() for path in (tmp_path / "out").glob("*.eml")]

    @pytest.fixture
    def unreachable(self, tmp_path: Path) -> Mailer:
        (tmp_path / "file").touch()
        return Plugins.of(mail.plugin).mailer(f"files://{tmp_path}/file/out?sender={SENDER}")


class TestMemoryMailer(MailerContract):
    test_a_server_that_is_down_is_told_as_such = None  # type: ignore[assignment]  # it has none

    @pytest.fixture
    def mailer(self) -> MemoryMailer:
        return MemoryMailer(sender=SENDER)

    @pytest.fixture
    def received(self, mailer: MemoryMailer) -> Received:
        return lambda: mailer.messages
