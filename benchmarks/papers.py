"""What paper and post cost, as ratios in one run: PDFs against bare typst, the outbox against smtplib, bulk publishing.

python benchmarks/papers.py
python benchmarks/papers.py --messages 200 --drafts 1000 --rounds 3
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import multiprocessing.connection
import os
import smtplib
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import typst

from invoicecore import Billing, Invoice, Item, Money
from invoicecore.documents import Sheet
from invoicecore.ports import Composed, Mail
from invoicecore.taxes import TaxRate
from invoicecore_adapters import pdf
from invoicecore_adapters.mail.folder import FilesMailer
from invoicecore_adapters.pdf.renderer import STANDARDS, TypstRenderer

DAY = date(2026, 4, 24)
PAGES = "https://pay.example.com"
SIZE = 31_000  # bytes of the attachment: with it a message is about 42 kB


def main() -> int:
    """Measure and print; exit code 0 unless something was not sent or not published."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--drafts", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="invoicecore-bench-") as folder:
        _documents(Path(folder), given.documents, given.rounds)
        _messages(Path(folder), given.messages, given.rounds)
        _publishing(Path(folder), given.drafts)
    return 0


# --- PDFs -------------------------------------------------------------------------------------------------------------


def _documents(folder: Path, count: int, rounds: int) -> None:
    sheet = _sheet(folder)
    renderer = TypstRenderer()
    template = Path(pdf.__file__).parent
    bare = typst.Compiler(
        str(template / "document.typ"),
        root=str(template),
        font_paths=[str(template / "fonts")],
        ignore_system_fonts=True,
    )
    at = datetime(2026, 4, 24, tzinfo=UTC)
    ours, theirs = [], []
    for turn in range(rounds + 1):
        # Each document is another one: typst remembers what it drew before.
        sheets = [_numbered(sheet, turn * count + n) for n in range(count)]
        data = [json.dumps(renderer._data(each, renderer._brand)) for each in sheets]  # type: ignore[arg-type]  # one brand for all
        data = [text.replace('"INV-', '"BARE-') for text in data]
        mine = _each(count, lambda n, sheets=sheets: renderer.render(sheets[n]))  # type: ignore[misc]  # binds the loop's value
        bared = _each(
            count,
            lambda n, data=data: bare.compile(  # type: ignore[misc]  # as above
                format="pdf", sys_inputs={"data": data[n]}, pdf_standards=STANDARDS, timestamp=at
            ),
        )
        if turn:  # the first one warms both up
            ours.append(mine)
            theirs.append(bared)
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    print(f"PDF: {statistics.median(ours):.1f} ms a one-page document, bare typst of the same page "
          f"{statistics.median(theirs):.1f} ms, ratio {statistics.median(ratios):.2f} "
          f"({min(ratios):.2f}–{max(ratios):.2f}, {rounds} rounds of {count})")  # fmt: skip
    spawned = multiprocessing.get_context("spawn")
    with spawned.Pool(2) as pool:
        pool.map(_render_many, [(sheet, 5)] * 2)
        begin = time.perf_counter()
        pool.map(_render_many, [(sheet, count)] * 2, chunksize=1)
        took = time.perf_counter() - begin
    print(f"PDF: {2 * count / took:,.0f} documents a second with two processes")


def _render_many(job: tuple[Sheet, int]) -> None:
    sheet, count = job
    renderer = TypstRenderer()
    for n in range(count):
        renderer.render(_numbered(sheet, n))


def _numbered(sheet: Sheet, n: int) -> Sheet:
    import attrs

    return attrs.evolve(sheet, reference=f"INV-{n:06}")  # no two are the same, so that nothing is remembered


def _each(count: int, do: Callable[[int], object]) -> float:
    begin = time.perf_counter()
    for n in range(count):
        do(n)
    return (time.perf_counter() - begin) / count * 1e3


def _sheet(folder: Path) -> Sheet:
    with Billing.open(f"sqlite:///{folder}/sheet.db", base_url=PAGES) as billing:
        return billing.invoices.sheet(_published(billing))


def _published(billing: Billing) -> Invoice:
    park = billing.billers.add(
        name="Les Pins",
        currency="EUR",
        timezone="Europe/Paris",
        locale="fr_FR",
        preset="stays",
        address="1 rue des Pins",
    )
    guest = billing.customers.add(biller=park, name="Émilie Œuf", email="emilie@example.org", address="2 rue du Lac")
    vat = TaxRate(name="TVA", percent=10)
    nights = [
        Item(description=f"Emplacement, semaine {n}", unit_price=Money("140.00", "EUR"), taxes=(vat,)) for n in range(6)
    ]
    draft = billing.invoices.draft(biller=park, customer=guest, title="Séjour", lines=nights, on=DAY)
    return billing.invoices.publish(draft, notify=True, on=DAY)


# --- e-mails ----------------------------------------------------------------------------------------------------------


class _Still:
    """A renderer whose document is there already: what is measured is the post."""

    def __init__(self) -> None:
        self.document = b"%PDF-1.7\n" + os.urandom(SIZE)

    def render(self, sheet: Sheet) -> bytes:
        return self.document


def _messages(folder: Path, count: int, rounds: int) -> None:
    with _Sink() as sink:
        ours, theirs = [], []
        for n in range(rounds):
            ours.append(_outbox(folder / f"outbox{n}.db", count, sink.port))
            theirs.append(_ready_bytes(folder, count, sink.port))
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    print(f"e-mail: {statistics.median(ours):,.0f} messages a second from the outbox of a SQLite file, smtplib with ready "
          f"bytes {statistics.median(theirs):,.0f}, {statistics.median(ratios):.0%} of it "
          f"({min(ratios):.0%}–{max(ratios):.0%}, {rounds} rounds of {count})")  # fmt: skip


def _outbox(path: Path, count: int, port: int) -> float:
    mailer = f"smtp://127.0.0.1:{port}?sender=billing@example.com&tls=none"
    with Billing.open(f"sqlite:///{path}", mailer=mailer, renderer=_Still(), base_url=PAGES) as billing:
        _drafts(billing, count)
        billing.invoices.publish_all(on=DAY, biller=billing.billers.all()[0])
        begin = time.perf_counter()
        report = billing.deliver()
        took = time.perf_counter() - begin
    if report.sent.count != count:
        raise SystemExit(f"expected {count} messages sent, got {report}")
    return count / took


def _ready_bytes(folder: Path, count: int, port: int) -> float:
    files = FilesMailer(folder / "ready")
    files.send(_mail())
    ready = next((folder / "ready").glob("*.eml")).read_bytes()
    ready += b"x" * 60 + b"\r\n"
    with smtplib.SMTP("127.0.0.1", port) as client:
        begin = time.perf_counter()
        for _ in range(count):
            client.sendmail("billing@example.com", ["payer@example.org"], ready)
        return count / (time.perf_counter() - begin)


def _mail() -> Mail:
    from invoicecore.ports import Attachment

    return Mail(
        id="bench", to_name="Payer", to="payer@example.org", sender="Les Pins", reply_to=None, language="en",
        date=datetime(2026, 4, 24, tzinfo=UTC), content=Composed(subject="s", text="t" * 800, html="h" * 4000),
        attachments=(Attachment(filename="a.pdf", media_type="application/pdf", content=os.urandom(SIZE)),),
    )  # fmt: skip


class _Sink:
    """A process of its own that speaks as much SMTP as it takes, and throws everything away."""

    def __enter__(self) -> _Sink:
        spawned = multiprocessing.get_context("spawn")
        there, here = spawned.Pipe()
        self._process = spawned.Process(target=_swallow, args=(there,), daemon=True)
        self._process.start()
        self.port: int = here.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()


def _swallow(pipe: multiprocessing.connection.Connection) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    pipe.send(listener.getsockname()[1])
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, connection.makefile("rb") as lines:
            connection.sendall(b"220 sink\r\n")
            while line := lines.readline():
                verb = line[:4].upper()
                if verb == b"DATA":
                    connection.sendall(b"354 go on\r\n")
                    while lines.readline() not in (b".\r\n", b""):
                        pass
                connection.sendall(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")
                if verb == b"QUIT":
                    break


# --- publishing -------------------------------------------------------------------------------------------------------


def _publishing(folder: Path, count: int) -> None:
    with Billing.open(f"sqlite:///{folder}/publish.db") as billing:
        _drafts(billing, count)
        begin = time.perf_counter()
        report = billing.invoices.publish_all(biller=billing.billers.all()[0], notify=True, on=DAY)
        took = time.perf_counter() - begin
        queued = 0
        after = ""
        while page := billing.messages.find(biller=billing.billers.all()[0], state="queued", after=after, limit=1000):
            queued, after = queued + len(page), page[-1].id
    if len(report.published) != count or queued != count:
        raise SystemExit(f"expected {count} published and queued, got {len(report.published)} and {queued}")
    print(f"publish_all: {count:,} drafts with their notices in {took:.1f} s, {count / took:,.0f} a second")


def _drafts(billing: Billing, count: int) -> None:
    condo = billing.billers.add(name="Maple Court", currency="CAD", timezone="America/Toronto", locale="en_CA")
    rows = [{"name": f"Noah {n}", "email": f"noah{n}@example.org"} for n in range(count)]
    people = billing.customers.add_many(biller=condo, rows=rows)
    units = [str(n) for n in range(count)]
    for n, who in zip(units, people, strict=True):
        billing.units.add(biller=condo, number=n, resident=who)
    billing.invoices.draft_for_units(biller=condo, units=units, title="Dues", amount=Money("120.00", "CAD"), on=DAY)


if __name__ == "__main__":
    sys.exit(main())
