"""The mailers that send nothing: into a folder, to the console, and in memory for a host's own tests."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from invoicecore.errors import InvalidValue, MailDeferred, MailRefused, MailUnavailable
from invoicecore.plugins import Plugins
from invoicecore.ports import Mail
from invoicecore_adapters import mail
from invoicecore_adapters.mail.console import ConsoleMailer
from invoicecore_adapters.mail.folder import FilesMailer
from invoicecore_adapters.mail.memory import MemoryMailer
from mails import a_mail, parsed

# --- a folder ---------------------------------------------------------------------------------------------------------


def test_an_e_mail_is_a_file_named_by_its_id(tmp_path: Path) -> None:
    FilesMailer(tmp_path / "new" / "out").send(a_mail())
    (file,) = (tmp_path / "new" / "out").iterdir()
    assert file.name == "msg-0001.eml"
    assert parsed(file.read_bytes())["from"] == "Les Pins <billing@localhost>"


def test_a_repeat_takes_the_place_of_its_file(tmp_path: Path) -> None:
    mailer = FilesMailer(tmp_path)
    mailer.send(a_mail(subject="First"))
    mailer.send(a_mail(subject="Second"))
    (file,) = tmp_path.iterdir()
    assert parsed(file.read_bytes())["subject"] == "Second"


@pytest.mark.parametrize("id", ["../x", "a/b", ".hidden", "C:x", "nul\0"])
def test_an_id_never_leads_out_of_the_folder(id: str, tmp_path: Path) -> None:
    with pytest.raises(MailRefused):
        FilesMailer(tmp_path / "out").send(a_mail(id=id))
    assert list(tmp_path.rglob("*")) == []


def test_nothing_half_written_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mailer = FilesMailer(tmp_path)
    mailer.send(a_mail(subject="First"))
    for problem, seen in ((OSError(28, "No space left on device"), MailUnavailable), (KeyboardInterrupt(), None)):

        def failing(_: int, problem: BaseException = problem) -> None:
            raise problem

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", failing)
            with pytest.raises(seen or KeyboardInterrupt):
                mailer.send(a_mail(subject="Second"))
        (file,) = tmp_path.iterdir()
        assert parsed(file.read_bytes())["subject"] == "First"


def test_a_folder_that_cannot_be_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(MailUnavailable, match="cannot be written to"):
        FilesMailer(tmp_path / "file").send(a_mail())


def test_a_folder_is_named_whole_or_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plugins = Plugins.of(mail.plugin)
    plugins.mailer("files://out/deep").send(a_mail())
    plugins.mailer(f"files://{tmp_path}/with%20space?sender=a@b.example").send(a_mail())
    assert (tmp_path / "out" / "deep" / "msg-0001.eml").exists()
    message = parsed((tmp_path / "with space" / "msg-0001.eml").read_bytes())
    assert message["message-id"] == "<msg-0001@b.example>"


# --- the console ------------------------------------------------------------------------------------------------------


def test_the_console_shows_what_would_be_sent() -> None:
    stream = io.StringIO()
    ConsoleMailer(stream, sender="billing@example.com").send(a_mail(text="Hello Alice,\n\n620.00 €\n"))
    shown = stream.getvalue()
    assert shown.startswith(
        "From: Les Pins <billing@example.com>\n"
        "To: Alice Martin <alice@example.org>\n"
        "Reply-To: office@les-pins.example\n"
        "Subject: Invoice INV-000012 from Les Pins\n"
        "Date: 2026-04-24 09:30 UTC\n"
        "Message-ID: <msg-0001@example.com>\n"
        "Attached: INV-000012.pdf (15 bytes)\n"
        "Size: "
    )
    assert "\n\nHello Alice,\n\n620.00 €\n" in shown


def test_the_console_is_not_told_what_to_do_by_an_e_mail() -> None:
    stream = io.StringIO()
    mailer = ConsoleMailer(stream)
    mailer.send(a_mail(subject="\x1b]0;x\x07\x9b31m", to_name="\x1b[2J", text="a\x1b[31mb\u202ec\n\td\n"))
    assert "\x1b" not in stream.getvalue()
    assert "\x9b" not in stream.getvalue()
    assert "\u202e" not in stream.getvalue()


def test_the_console_is_standard_output_at_the_time(capsys: pytest.CaptureFixture[str]) -> None:
    mailer = Plugins.of(mail.plugin).mailer("console://?sender=a@b.example")
    mailer.send(a_mail())
    mailer.close()
    assert "From: Les Pins <a@b.example>" in capsys.readouterr().out


def test_a_console_without_the_letters_shows_what_it_can() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", newline="\n")
    ConsoleMailer(stream).send(a_mail(text="620 €"))
    assert b"620 ?" in raw.getvalue()


def test_a_console_that_is_gone_is_unavailable() -> None:
    stream = io.StringIO()
    stream.close()
    with pytest.raises(MailUnavailable, match="nothing can be printed"):
        ConsoleMailer(stream).send(a_mail())


# --- memory -----------------------------------------------------------------------------------------------------------


def test_memory_keeps_what_it_accepted_and_fails_when_told_to() -> None:
    def failing(sent: Mail) -> MailDeferred | None:
        return MailDeferred("busy") if sent.id == "second" else None

    mailer = MemoryMailer(failing=failing)
    mailer.send(a_mail(id="first"))
    with pytest.raises(MailDeferred, match="busy"):
        mailer.send(a_mail(id="second"))
    with pytest.raises(MailRefused):
        mailer.send(a_mail(id="third", to="nobody"))
    mailer.failing = None
    mailer.send(a_mail(id="second"))
    mailer.close()
    assert [one.id for one in mailer.sent] == ["first", "second"]
    assert [parsed(one)["message-id"] for one in mailer.messages] == ["<first@localhost>", "<second@localhost>"]


# --- how they are wired -----------------------------------------------------------------------------------------------


def test_every_scheme_makes_its_mailer() -> None:
    plugins = Plugins.of(mail.plugin)
    assert type(plugins.mailer("memory://")) is MemoryMailer
    assert type(plugins.mailer("console://")) is ConsoleMailer
    assert type(plugins.mailer("files://out")) is FilesMailer


@pytest.mark.parametrize(
    "field, url",
    [
        ("url", "files://"),
        ("url", "files://?sender=a@b.example"),
        ("url", "files://a%00b"),
        ("url", "files://a%ff"),
        ("url", "files://out?folder=x"),
        ("sender", "files://out?sender=x"),
        ("url", "console://here"),
        ("url", "console://?sender=a@b.example&sender=a@b.example"),
        ("sender", "console://?sender="),
        ("url", "memory://here"),
        ("sender", "memory://?sender=a@b.example%0d%0aX:y"),
    ],
)
def test_a_wrong_url_is_refused_by_the_field(field: str, url: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        Plugins.of(mail.plugin).mailer(url)
    assert caught.value.field == field


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    script = (
        "import sys; import invoicecore_adapters.mail as mail; mail.plugin.mailers(); mail.plugin.composers();"
        "print(sorted({'jinja2', 'smtplib', 'ssl'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert told.stdout.strip() == "[]"
