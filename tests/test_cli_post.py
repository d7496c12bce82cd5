"""The commands for what people receive: pdf, statement, deliver, remind, link, web."""

from __future__ import annotations

import email
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from email import policy
from pathlib import Path

import pytest

from invoicecore_adapters.cli import main

PINS = {
    "billers": [
        {
            "ref": "pins", "name": "Les Pins", "currency": "EUR", "timezone": "Europe/Paris", "locale": "fr_FR",
            "preset": "stays", "policy": {"reminders": [7], "late_fee": {"amount": "5.00", "after_days": 10}},
        }
    ],
    "customers": [{"ref": "C-1", "name": "Ana Lima", "email": "ana@example.org"}],
    "leases": [
        {"ref": "L-1", "customer": "C-1", "unit": "12", "rent": "620.00", "frequency": "monthly", "starts": "2026-05-01"},
    ],
}  # fmt: skip
PAGES = ("--base-url", "https://pay.example.com")


class Answer:
    """What came of a command."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def data(self) -> dict:
        return json.loads(self.out)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs one command in a folder with a campground whose May has been invoiced on 24 April."""
    monkeypatch.chdir(tmp_path)
    for name in ("INVOICECORE_DB", "INVOICECORE_MAILER", "INVOICECORE_BASE_URL", "INVOICECORE_GATEWAY"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: str) -> Answer:
        code = main(words)
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return Answer(code, told.out, told.err)

    (tmp_path / "pins.json").write_text(json.dumps(PINS), "utf-8")
    assert run("load", "pins.json", "--on", "2026-04-01").code == 0
    assert run("run", "--on", "2026-04-24").code == 0
    return run


@pytest.mark.rule("S11")
def test_pdf_writes_a_file_under_the_documents_own_name(command, tmp_path: Path) -> None:
    answer = command("pdf", "INV-000001")
    assert (answer.code, answer.out) == (0, "Facture-INV-000001.pdf\n")
    first = (tmp_path / "Facture-INV-000001.pdf").read_bytes()
    assert first.startswith(b"%PDF-")
    assert command("pdf", "INV-000001", "--out", "other.pdf", "--json").data == {
        "file": "other.pdf",
        "bytes": len(first),
    }
    assert (tmp_path / "other.pdf").read_bytes() == first


def test_pdf_into_a_folder_that_is_there_and_into_one_that_is_not(command, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert command("pdf", "INV-000001", "--out", "out").out == f"{Path('out') / 'Facture-INV-000001.pdf'}\n"
    lost = command("pdf", "INV-000001", "--out", "nowhere/a.pdf")
    assert lost.code == 1
    assert "give another --out" in lost.err
    assert command("pdf", "INV-9").code == 1


def test_pdf_goes_to_standard_output_when_asked(command, tmp_path: Path) -> None:
    run = "import sys; from invoicecore_adapters.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", run, "pdf", "INV-000001", "--out", "-"], cwd=tmp_path, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"%PDF-")
    assert done.stdout.rstrip().endswith(b"%%EOF")


def test_the_link_stands_on_the_pdf_where_there_are_pay_pages(command, tmp_path: Path) -> None:
    url = command("link", "INV-000001", *PAGES).out.strip()
    assert url.startswith("https://pay.example.com/pay/")
    assert command("link", "INV-000001", *PAGES, "--json").data["url"] == url
    command("pdf", "INV-000001", *PAGES)
    from pypdf import PdfReader

    text = "".join(page.extract_text() for page in PdfReader("Facture-INV-000001.pdf").pages)
    assert url in text.replace("\n", "")


def test_a_link_needs_to_know_where_the_pages_are(command) -> None:
    answer = command("link", "INV-000001")
    assert answer.code == 1
    assert "--base-url" in answer.err
    wrong = command("link", "INV-000001", "--base-url", "pay.example.com")
    assert wrong.code == 1
    assert "is not the address of a site" in wrong.err


def test_a_link_is_revoked(command) -> None:
    assert command("link", "INV-000001", "--revoke").out == "INV-000001 n'a pas de lien.\n"
    url = command("link", "INV-000001", *PAGES).out
    assert command("link", "INV-000001", "--revoke").out == "Le lien de INV-000001 n'ouvre plus rien.\n"
    assert command("link", "INV-000001", *PAGES).out != url


def test_a_statement_is_written_for_a_customer_by_name(command, tmp_path: Path) -> None:
    answer = command("statement", "Ana Lima", "--since", "2026-04-01", "--until", "2026-05-31")
    assert answer.code == 0
    assert answer.out == "Releve-de-compte-Ana-Lima-2026-04-01-2026-05-31.pdf\n"
    assert Path(answer.out.strip()).read_bytes().startswith(b"%PDF-")
    assert command("statement", "Ana Lima").code == 2  # --since is needed
    assert command("statement", "Nobody", "--since", "2026-04-01").code == 1


@pytest.mark.rule("R12", "S9")
def test_deliver_sends_what_the_run_queued(command, tmp_path: Path) -> None:
    answer = command("deliver", "--mailer", f"files://{tmp_path}/post", *PAGES, "--lang", "en")
    assert answer.code == 0
    assert answer.out.split()[:4] == ["Sent", "Later", "Failed", "Cancelled"]
    (mail,) = (tmp_path / "post").glob("*.eml")
    message = email.message_from_bytes(mail.read_bytes(), policy=policy.default)
    assert message["To"].addresses[0].addr_spec == "ana@example.org"
    assert message["Subject"] == "Facture INV-000001 de Les Pins"
    assert [part.get_filename() for part in message.iter_attachments()] == ["Facture-INV-000001.pdf"]
    assert command("deliver", "--mailer", f"files://{tmp_path}/post", "--json").data["sent"]["count"] == 0


def test_deliver_without_a_mailer_says_what_to_give(command, tmp_path: Path) -> None:
    answer = command("deliver")
    assert answer.code == 1
    assert "mailer" in answer.err
    assert command("deliver", "--mailer", f"files://{tmp_path}/post").code == 0
    again = command("deliver")  # nothing is due, and it still says so
    assert again.code == 1


def test_deliver_says_that_the_server_is_down_and_keeps_everything(command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    mailer = f"smtp://127.0.0.1:{port}?sender=a@example.org&tls=none"
    answer = command("deliver", "--mailer", mailer, "--json")
    assert answer.code == 3
    assert answer.data["stopped"]
    assert answer.data["deferred"]["count"] == 1


@pytest.mark.rule("P3")
def test_remind_reports_like_the_run_and_does_it_once(command) -> None:
    dry = command("remind", "--on", "2026-05-10", "--dry-run", "--json")
    assert dry.data["created"]["count"] == 2
    first = command("remind", "--on", "2026-05-10", "--lang", "en")
    assert first.code == 0
    assert "Reminder +7 of INV-000001" in first.out
    assert "Late fee, invoice INV-000001" in first.out
    again = command("remind", "--on", "2026-05-10", "--json").data
    assert (again["created"]["count"], again["existing"]["count"]) == (0, 1)


def test_web_serves_the_pay_page_and_stops_when_told(command, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    url = command("link", "INV-000001", "--base-url", base).out.strip()
    run = "import sys; from invoicecore_adapters.cli import main; sys.exit(main())"
    serving = subprocess.Popen(
        [sys.executable, "-u", "-c", run, "web", "--port", str(port), "--base-url", base, "--gateway", "memory://"],
        cwd=tmp_path, stderr=subprocess.PIPE, env=dict(os.environ), text=True,
    )  # fmt: skip
    try:
        assert serving.stderr is not None
        for line in serving.stderr:
            if "Uvicorn running" in line or "Application startup complete" in line:
                break
        with urllib.request.urlopen(url, timeout=30) as page:
            body = page.read().decode()
        assert 'lang="fr' in body
        assert "INV-000001" in body
    finally:
        serving.send_signal(signal.SIGINT)
        _, rest = serving.communicate(timeout=30)
    assert "Traceback" not in rest
