"""The commands for what people receive: PDFs, statements, e-mails, reminders, pay links, and the pages behind them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol, cast

from invoicecore import Billing, Plugins
from invoicecore.documents.words import filename_of
from invoicecore.errors import InvalidValue, MissingExtra
from invoicecore.wording import say
from invoicecore_adapters.cli.answers import answer, report_data
from invoicecore_adapters.cli.choosing import (
    opened,
    spoken,
    spoken_by,
    the_biller,
    the_billers,
    the_customer,
    the_invoice,
)
from invoicecore_adapters.cli.details import show_run
from invoicecore_adapters.cli.speech import tell
from invoicecore_adapters.cli.tables import Column, Names, Screen, progress

_DONE, _PARTLY = 0, 3
_SHOWN: Final = 10


def _pdf(args: argparse.Namespace) -> int:
    with opened(args.db, base_url=args.base_url) as billing:
        _, invoice = the_invoice(billing, args.invoice, args.biller)
        pdf, name = billing.invoices.pdf(invoice), billing.invoices.sheet(invoice).filename
        return _written(args, pdf, f"{name}.pdf")


def _statement(args: argparse.Namespace) -> int:
    with opened(args.db) as billing:
        biller = the_biller(billing, args.biller)
        customer = the_customer(billing, biller, args.customer)
        pdf = billing.customers.statement_pdf(customer, since=args.since, until=args.until)
        until = args.until or billing.today(biller)
        heading = say("doc.statement", customer.locale or biller.locale)
        name = filename_of(heading, customer.name, args.since.isoformat(), until.isoformat())
        return _written(args, pdf, f"{name}.pdf")


def _written(args: argparse.Namespace, pdf: bytes, name: str) -> int:
    """Put a PDF where --out says, by default under its own name in this folder; `-` is standard output."""
    if args.out == "-":
        sys.stdout.buffer.write(pdf)
        return _DONE
    path = Path(args.out or name)
    try:
        path = path / name if path.is_dir() else path
        path.write_bytes(pdf)
    except OSError as error:
        raise InvalidValue("out", str(path), f"cannot be written ({error.strerror})", "give another --out") from error
    if args.json:
        answer({"file": str(path), "bytes": len(pdf)})
    else:
        Screen().line(str(path))
    return _DONE


def _deliver(args: argparse.Namespace) -> int:
    with opened(args.db, mailer=args.mailer, base_url=args.base_url) as billing:
        biller = the_biller(billing, args.biller) if args.biller is not None else None
        locale = spoken(biller, args.lang)
        with progress(tell("delivering", locale)) as bar:
            report = billing.deliver(biller=biller, actor=args.actor, progress=lambda sent: bar(sent, None))
        kinds = ("sent", "deferred", "failed", "cancelled")
        if args.json:
            answer({**report_data(report, kinds), "stopped": report.stopped})
        else:
            tallies = {kind: getattr(report, kind) for kind in kinds}
            screen = Screen()
            columns = [Column(say(f"report.{kind}", locale), right=True) for kind in kinds]
            screen.table(columns, [[str(tally.count) for tally in tallies.values()]])
            for kind in kinds[1:]:
                for outcome in tallies[kind].items[:_SHOWN]:
                    screen.line(f"{say(f'report.{kind}', locale)}: {outcome.text}", "yellow")
            if report.stopped:
                screen.line(tell("stopped_sending", locale, why=report.stopped), "red")
    return _PARTLY if report.failed.count or report.stopped else _DONE


def _remind(args: argparse.Namespace) -> int:
    with opened(args.db) as billing:
        biller = the_biller(billing, args.biller) if args.biller is not None else None
        with progress(tell("reminding", spoken(biller, args.lang))) as bar:
            report = billing.remind(
                on=args.on,
                biller=biller,
                dry_run=args.dry_run,
                actor=args.actor,
                progress=lambda created: bar(created, None),
            )
        if args.json:
            kinds = ("created", "existing", "skipped", "failed", "warnings")
            answer({"on": args.on, "dry_run": report.dry_run, **report_data(report, kinds)})
        else:
            billers = the_billers(billing, args.biller)
            locales, locale = spoken_by(billers, args.lang)
            if not any(one.policy.reminders or one.policy.late_fee for one in billers):
                Screen().line(tell("no_reminders", locale))
            show_run(Screen(), Names(billing), report, locales, locale)
    return _PARTLY if report.failed.count else _DONE


def _link(args: argparse.Namespace) -> int:
    with opened(args.db, base_url=args.base_url) as billing:
        biller, invoice = the_invoice(billing, args.invoice, args.biller)
        locale = spoken(biller, args.lang)
        if args.revoke:
            count = billing.payments.revoke_link(invoice, on=args.on, actor=args.actor)
            if args.json:
                answer({"invoice": invoice.id, "revoked": count})
            else:
                key = "link_revoked" if count else "no_link"
                Screen().line(tell(key, locale, number=invoice.reference))
            return _DONE
        url = billing.payments.link(invoice, on=args.on, actor=args.actor)
        if args.json:
            answer({"invoice": invoice.id, "url": url})
        else:
            Screen().line(url)
    return _DONE


def _web(args: argparse.Namespace) -> int:
    pages = _the_pages()
    base_url = args.base_url or f"http://{args.host}:{args.port}"
    gateway = [Plugins.discover().gateway(url) for url in args.gateway]
    with opened(args.db, base_url=base_url, gateway=gateway) as billing:
        if not gateway:
            print(tell("no_gateway", spoken(None, args.lang)), file=sys.stderr)
        if not args.json:
            print(tell("serving", spoken(None, args.lang), url=base_url), file=sys.stderr)
        pages.serve(pages.app(billing, trusted_proxies=args.trusted_proxy), host=args.host, port=args.port)
    return _DONE


class _Pages(Protocol):
    """What serves pay pages, as this module uses it."""

    def app(self, billing: Billing, /, *, trusted_proxies: Sequence[str]) -> object:
        """The pages of a desk."""

    def serve(self, app: object, /, *, host: str, port: int) -> None:
        """Serve them until told to stop."""


def _the_pages() -> _Pages:
    # By its entry point, as everything is that this package does not know (docs/architecture.md).
    from importlib.metadata import entry_points

    for point in entry_points(group="invoicecore.commands", name="web"):
        return cast(_Pages, point.load())
    raise MissingExtra("serving the pay pages", "web")


POSTING: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "pdf": _pdf,
    "statement": _statement,
    "deliver": _deliver,
    "remind": _remind,
    "link": _link,
    "web": _web,
}
