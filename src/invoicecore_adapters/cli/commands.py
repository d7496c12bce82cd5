"""What each command does: words in, one call of the desk, an answer out. No billing rule lives here."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import Final

from invoicecore import Billing, Invoice
from invoicecore.errors import InvalidValue, NotAllowed, NotWired
from invoicecore.money import Money
from invoicecore.parties import Biller
from invoicecore.payments import RefundState
from invoicecore.wording import format_date, format_money, say
from invoicecore_adapters.cli.answers import answer, error_data, invoice_data, report_data, sentence, summary_data
from invoicecore_adapters.cli.choosing import (
    Unclear,
    opened,
    opened_if_there,
    spoken,
    spoken_by,
    the_amount,
    the_biller,
    the_billers,
    the_customer,
    the_invoice,
)
from invoicecore_adapters.cli.collecting import COLLECTING
from invoicecore_adapters.cli.details import show_invoice, show_loaded, show_plugins, show_run
from invoicecore_adapters.cli.doctor import DOCTOR
from invoicecore_adapters.cli.moving import MOVING
from invoicecore_adapters.cli.posting import POSTING
from invoicecore_adapters.cli.speech import learn, tell
from invoicecore_adapters.cli.tables import Names, Screen, can_show, cards, invoice_table, progress

_DONE, _PARTLY = 0, 3

# What is said of a refund by the provider.
_REFUND_IS: Final = {
    RefundState.RESERVED: "refund_reserved",
    RefundState.SUBMITTING: "refund_unknown",
    RefundState.UNKNOWN: "refund_unknown",
    RefundState.PENDING: "refund_pending",
    RefundState.SUCCEEDED: "refund_succeeded",
    RefundState.FAILED: "refund_failed",
    RefundState.NOT_EXECUTED: "refund_not_executed",
}


def ready(args: argparse.Namespace) -> None:
    """Refuse what would otherwise be found out after something was written: a language nobody speaks, no tables.

    Raises Unclear and MissingExtra.
    """
    learn()
    spoken(None, args.lang)
    if not args.json:
        can_show()


def _demo(args: argparse.Namespace) -> int:
    from invoicecore_adapters.cli.demo import demo

    return demo(args.dir, as_json=args.json, language=args.lang)


def _load(args: argparse.Namespace) -> int:
    from invoicecore_adapters.cli.loading import checked, load, rehearsal

    locale, present = spoken(None, args.lang), partial(opened_if_there, args.db)
    if args.check:
        rows = len(checked(args.path, rehearsal, on=args.on, present=present).rows)
        if args.json:
            answer({"source": args.path, "rows": rows, "faults": []})
        else:
            Screen().line(tell("checked", locale, source=args.path, rows=rows))
        return _DONE
    from invoicecore import Plugins

    with progress(tell("loading", locale)) as bar:
        report = load(
            args.path,
            lambda heard: opened(args.db, plugins=Plugins.discover(heard), new=True),
            rehearsal,
            on=args.on,
            actor=args.actor,
            progress=bar,
            present=present,
        )
    if args.json:
        answer({"source": report.source, "counts": report.counts, "unwritten": report.unwritten})
    else:
        show_loaded(Screen(), report, locale)
    return _PARTLY if report.unwritten else _DONE


def _run(args: argparse.Namespace) -> int:
    with opened(args.db) as billing:
        biller = the_biller(billing, args.biller) if args.biller is not None else None
        with progress(tell("running", spoken(biller, args.lang))) as bar:
            report = billing.run(
                on=args.on,
                biller=biller,
                dry_run=args.dry_run,
                actor=args.actor,
                progress=lambda created: bar(created, None),
            )
        if args.json:
            kinds = ("created", "existing", "late", "skipped", "failed", "warnings")
            answer({"on": args.on, "dry_run": report.dry_run, **report_data(report, kinds)})
        else:
            locales, locale = spoken_by(the_billers(billing, args.biller), args.lang)
            show_run(Screen(), Names(billing), report, locales, locale)
    return _PARTLY if report.failed.count else _DONE


def _invoices(args: argparse.Namespace) -> int:
    with opened(args.db) as billing:
        billers = the_billers(billing, args.biller)
        if len(billers) != 1 and (args.after or args.customer or args.unit):
            billers = [the_biller(billing, args.biller)]  # these belong to one biller: says which there are
        screen, names, told = None if args.json else Screen(), Names(billing), []
        for biller in billers:
            locale, on = spoken(biller, args.lang), _day(billing, biller, args.on)
            page = billing.invoices.find(
                biller=biller,
                status=args.status,
                customer=the_customer(billing, biller, args.customer) if args.customer else None,
                unit=args.unit,
                on=on,
                order=args.order,
                after=args.after,
                limit=args.limit,
            )
            told.append(
                {
                    "biller": {"id": biller.id, "name": biller.name},
                    "on": on,
                    "invoices": [invoice_data(invoice, biller, on, locale) for invoice in page.items],
                    "next": page.next,
                }
            )
            if screen is not None:
                _headed(screen, biller, on, locale)
                invoice_table(screen, names, biller, page.items, on, locale)
                if page.next is not None:
                    screen.line(tell("more", locale, mark=page.next))
                screen.line()
        if args.json:
            answer({"billers": told})
    return _DONE


def _show(args: argparse.Namespace) -> int:
    with opened(args.db) as billing:
        biller, invoice = the_invoice(billing, args.invoice, args.biller)
        locale, on = spoken(biller, args.lang), _day(billing, biller, args.on)
        if args.json:
            payer = Names(billing).payer_id(invoice)
            told = {
                "credit": billing.credits.balance(payer) if payer is not None else None,
                "payments": billing.payments.find(invoice=invoice),
                "refunds": billing.payments.refunds(invoice),
                "timeline": billing.invoices.timeline(invoice),
            }
            answer({**invoice_data(invoice, biller, on, locale), **told})
        else:
            show_invoice(Screen(), billing, biller, invoice, on, locale)
    return _DONE


def _publish(args: argparse.Namespace) -> int:
    if args.all == (args.invoice is not None):
        raise Unclear("name one invoice to publish, or give --all")
    asks = not args.json and sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
    if args.all and not args.yes and not asks:
        raise Unclear("--all publishes every draft, and there is nobody to ask here; give --yes as well")
    if args.all and args.due is not None:
        raise Unclear("--due moves the due date of one invoice; publish that one by itself")
    with opened(args.db) as billing:
        if args.all:
            return _publish_all(billing, the_biller(billing, args.biller), args)
        biller, draft = the_invoice(billing, args.invoice, args.biller)
        try:
            invoice = billing.invoices.publish(draft, notify=args.notify, due=args.due, on=args.on, actor=args.actor)
        except NotAllowed as error:
            if not draft.published:
                raise
            why = f"{args.invoice} is published as {draft.number}"
            raise NotAllowed(error.action, error.status, error.allowed, why) from error
        locale = spoken(biller, args.lang)
        told = tell(
            "published",
            locale,
            number=invoice.number,
            total=format_money(invoice.total, locale),
            due=format_date(invoice.due_on, locale),
        )
        return _changed(billing, args, biller, invoice, locale, told)


def _publish_all(billing: Billing, biller: Biller, args: argparse.Namespace) -> int:
    locale, on = spoken(biller, args.lang), _day(billing, biller, args.on)
    preview = billing.invoices.preview_publish_all(biller=biller, on=args.on)
    if not args.json and preview.count:
        print(say("publish_all", locale, count=preview.count, total=preview.total), file=sys.stderr)
        # Counts and totals are confirmed first (R11).
        if not args.yes:
            print(tell("go_on", locale), end="", file=sys.stderr, flush=True)
            if sys.stdin.readline().strip().casefold() not in tell("yes", locale).split():
                print(tell("stopped", locale), file=sys.stderr)
                return _DONE
    report = billing.invoices.publish_all(biller=biller, notify=args.notify, on=args.on, actor=args.actor)
    if args.json:
        answer(
            {
                "published": [invoice_data(item.invoice, biller, on, locale) for item in report.published],
                "failed": [
                    {"reference": item.reference, "error": error_data(item.error)}
                    for item in report.failed
                    if item.error is not None
                ],
            }
        )
    else:
        screen = Screen()
        if not preview.count:
            screen.line(tell("no_drafts", locale))
        else:
            invoice_table(screen, Names(billing), biller, [item.invoice for item in report.published], on, locale)
            counts = {"published": len(report.published), "failed": len(report.failed)}
            screen.line(tell("published_all", locale, **counts))
        for item in report.failed:
            why = sentence(item.error) if item.error is not None else ""
            screen.line(f"{item.reference}: {why}", "red")
        _warned(screen, *(item.invoice for item in report.published))
    return _PARTLY if report.failed else _DONE


def _pay(args: argparse.Namespace) -> int:
    with opened(args.db) as billing:
        biller, invoice = the_invoice(billing, args.invoice, args.biller)
        locale = spoken(biller, args.lang)
        _not_after_today(billing, biller, args.on, "received")
        payment = billing.payments.record(
            invoice,
            the_amount(args.amount, biller, locale),
            method=args.method,
            reference=args.reference,
            rest=args.rest,
            on=args.on,
            actor=args.actor,
            key=args.key,
        )
        after = billing.invoices.get(invoice)
        amount, balance = (format_money(money, locale) for money in (payment.amount, after.balance))
        told = tell("paid", locale, amount=amount, number=after.reference, balance=balance)
        if payment.credited.amount:
            told += " " + tell("credited", locale, amount=format_money(payment.credited, locale))
        return _changed(billing, args, biller, after, locale, told, payment=payment)


def _not_after_today(billing: Billing, biller: Biller, on: date | None, done: str) -> None:
    # The desk counts for the day that a program tells it; a person who tells a day to come has mistyped one, and the
    # balance would fall today by money that nobody has.
    today = billing.today(biller)
    if on is not None and on > today:
        reason = f"is after {today}, which is today where {biller.name} is"
        raise InvalidValue("on", on, reason, f"give the day it was {done}, or leave --on out for today")


def _void(args: argparse.Namespace) -> int:
    with opened(args.db) as billing:
        biller, invoice = the_invoice(billing, args.invoice, args.biller)
        after = billing.invoices.void(
            invoice, release_charges=args.release_charges, on=args.on, actor=args.actor, reason=args.reason
        )
        locale = spoken(biller, args.lang)
        return _changed(billing, args, biller, after, locale, tell("voided", locale, number=after.reference))


def _refund(args: argparse.Namespace) -> int:
    if args.to == "gateway" and not args.gateway:
        raise NotWired("gateway", "give --gateway URL, such as stripe://, or set INVOICECORE_GATEWAY")
    with opened(args.db, gateway=args.gateway if args.to == "gateway" else None) as billing:
        biller, invoice = the_invoice(billing, args.invoice, args.biller)
        locale = spoken(biller, args.lang)
        _not_after_today(billing, biller, args.on, "given back")
        refund = billing.payments.refund(
            invoice,
            the_amount(args.amount, biller, locale),
            to=args.to,
            method=args.method,
            reference=args.reference,
            reason=args.reason,
            on=args.on,
            actor=args.actor,
            key=args.key,
        )
        after = billing.invoices.get(invoice)
        amount: Money = refund.amount
        told = tell("refunded", locale, amount=format_money(amount, locale), number=after.reference)
        if refund.gateway is not None:
            told = tell(_REFUND_IS[refund.state], locale, amount=format_money(amount, locale), number=after.reference)
            if refund.reversible_until is not None:
                told += " " + tell("reversible", locale, day=format_date(refund.reversible_until, locale))
        if refund.to_credit.amount:
            told += " " + tell("credited", locale, amount=format_money(refund.to_credit, locale))
        _changed(billing, args, biller, after, locale, told, refund=refund)
    return _DONE if refund.state in (RefundState.SUCCEEDED, RefundState.PENDING) else _PARTLY


def _summary(args: argparse.Namespace) -> int:
    with opened(args.db) as billing:
        billers = the_billers(billing, args.biller)
        if args.json:
            answer({"billers": [summary_data(billing, biller, _day(billing, biller, args.on)) for biller in billers]})
            return _DONE
        screen = Screen()
        for biller in billers:
            locale, on = spoken(biller, args.lang), _day(billing, biller, args.on)
            _headed(screen, biller, on, locale)
            cards(screen, billing, biller, on, locale)
            screen.line()
    return _DONE


def _plugins(args: argparse.Namespace) -> int:
    from invoicecore import Plugins

    rows = Plugins.discover().listing()
    if args.json:
        answer({"plugins": rows})
    else:
        show_plugins(Screen(), rows, spoken(None, args.lang))
    return _DONE


def _changed(
    billing: Billing,
    args: argparse.Namespace,
    biller: Biller,
    invoice: Invoice,
    locale: str,
    told: str,
    **records: object,
) -> int:
    if args.json:
        answer({"invoice": invoice_data(invoice, biller, _day(billing, biller, args.on), locale), **records})
    else:
        screen = Screen()
        screen.line(told)
        _warned(screen, invoice)
    return _DONE


def _warned(screen: Screen, *invoices: Invoice) -> None:
    for invoice in invoices:
        for caveat in invoice.warnings:
            screen.line(f"{invoice.reference}: {caveat.text}", "yellow")


def _headed(screen: Screen, biller: Biller, on: date, locale: str) -> None:
    screen.title(f"{biller.name}, {tell('on_day', locale, day=format_date(on, locale))}")


def _day(billing: Billing, biller: Biller, on: date | None) -> date:
    return on if on is not None else billing.today(biller)


COMMANDS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "demo": _demo,
    "load": _load,
    "run": _run,
    "invoices": _invoices,
    "show": _show,
    "publish": _publish,
    "pay": _pay,
    "void": _void,
    "refund": _refund,
    "summary": _summary,
    "plugins": _plugins,
    **POSTING,
    **COLLECTING,
    **MOVING,
    **DOCTOR,
}
