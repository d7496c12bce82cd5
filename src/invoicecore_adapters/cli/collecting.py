"""The commands that talk to payment providers: collect, recover, receive, reconcile, mandates, and the alerts they raise."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Final

from invoicecore import Billing
from invoicecore.alerts import Alert
from invoicecore.billing.outcomes import Attempts
from invoicecore.errors import InvalidValue
from invoicecore.wording import format_date, format_money, say
from invoicecore_adapters.cli.answers import answer, report_data
from invoicecore_adapters.cli.choosing import opened, spoken, the_biller, the_billers, the_customer
from invoicecore_adapters.cli.speech import tell
from invoicecore_adapters.cli.tables import Column, Screen, progress

_DONE, _PARTLY = 0, 3
_SHOWN: Final = 20
_KINDS: Final = ("succeeded", "pending", "failed", "doubtful", "waiting", "cancelled", "events", "warnings")


def _desk(args: argparse.Namespace) -> Billing:
    return opened(args.db, gateway=args.gateway, base_url=getattr(args, "base_url", None))


def _collect(args: argparse.Namespace) -> int:
    return _attempts(args, "collecting", lambda billing: billing.collect)


def _recover(args: argparse.Namespace) -> int:
    return _attempts(args, "recovering", lambda billing: billing.recover)


def _attempts(args: argparse.Namespace, doing: str, verb: Callable[[Billing], Callable[..., Attempts]]) -> int:
    with _desk(args) as billing:
        biller = the_biller(billing, args.biller) if args.biller is not None else None
        locale = spoken(biller, args.lang)
        with progress(tell(doing, locale)) as bar:
            report = verb(billing)(biller=biller, actor=args.actor, progress=lambda done: bar(done, None))
        if args.json:
            answer({**report_data(report, _KINDS), "stopped": report.stopped})
        else:
            screen = Screen()
            columns = [Column(tell(f"attempts.{kind}", locale), right=True) for kind in _KINDS]
            screen.table(columns, [[str(getattr(report, kind).count) for kind in _KINDS]])
            for kind in ("failed", "doubtful", "warnings"):
                for outcome in getattr(report, kind).items[:_SHOWN]:
                    told = outcome.text or outcome.code
                    screen.line(
                        f"{tell(f'attempts.{kind}', locale)}: {_invoice(billing, outcome.invoice)}{told}", "yellow"
                    )
            if report.stopped:
                screen.line(report.stopped, "red")
    return _PARTLY if report.failed.count or report.doubtful.count or report.stopped else _DONE


def _invoice(billing: Billing, invoice: str | None) -> str:
    return f"{billing.invoices.get(invoice).reference}: " if invoice is not None else ""


def _receive(args: argparse.Namespace) -> int:
    with _desk(args) as billing:
        if args.since is not None:
            since = datetime.combine(args.since, time(), UTC)
            told = billing.receive_missed(args.name, since=since, actor=args.actor)
        else:
            told = billing.receive(args.name, _body(args.body), _headers(args.header))
        if args.json:
            answer({"events": told})
        else:
            locale, screen = spoken(None, args.lang), Screen()
            counts: dict[str, int] = {}
            for each in told:
                counts[each.state] = counts.get(each.state, 0) + 1
            screen.table(
                [Column(tell(f"received.{state}", locale), right=True) for state in counts],
                [[str(count) for count in counts.values()]],
            )
            for each in told:
                if each.why and each.state in ("waiting", "parked"):
                    screen.line(f"{each.event}: {each.why}", "yellow")
            if not told:
                screen.line(tell("no_events", locale))
    return _PARTLY if any(each.state in ("waiting", "parked") for each in told) else _DONE


def _body(path: str | None) -> bytes:
    if path is None or path == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(path).read_bytes()
    except OSError as error:
        way_out = "give the file of a webhook's body, or - for standard input"
        raise InvalidValue("body", path, f"cannot be read ({error.strerror})", way_out) from error


def _headers(lines: Sequence[str]) -> dict[str, str]:
    found = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise InvalidValue("header", line, "is no header", "write it as 'Name: value'")
        found[name.strip()] = value.strip()
    return found


def _reconcile(args: argparse.Namespace) -> int:
    with _desk(args) as billing:
        biller = the_biller(billing, args.biller) if args.biller is not None else None
        locale = spoken(biller, args.lang)
        since = datetime.combine(args.since, time(), UTC)
        until = datetime.combine(args.until + timedelta(days=1), time(), UTC) if args.until is not None else None
        found = billing.reconcile(args.name, since=since, until=until, biller=biller)
        if args.json:
            answer(
                {
                    "gateway": found.gateway,
                    "since": found.since,
                    "until": found.until,
                    "compared": found.compared,
                    "foreign": found.foreign,
                    "collected": found.collected,
                    "differences": found.differences,
                }
            )
        else:
            screen = Screen()
            screen.line(tell("compared", locale, count=found.compared, foreign=found.foreign))
            for sides in found.collected:
                there, here = format_money(sides.there, locale), format_money(sides.here, locale)
                screen.line(tell("sides", locale, there=there, here=here))
            heads = ("invoice", "payment", "difference", "there", "here")
            rows = [
                [
                    _invoice(billing, each.invoice).removesuffix(": "),
                    each.reference,
                    tell(f"difference.{each.kind.value}", locale),
                    each.there,
                    each.here,
                ]
                for each in found.differences
            ]
            if rows:
                screen.table(
                    [Column(tell(f"head.{head}", locale), wraps=head in ("there", "here")) for head in heads], rows
                )
            else:
                screen.line(tell("no_differences", locale), "green")
    return _PARTLY if found.differences else _DONE


def _mandates(args: argparse.Namespace) -> int:
    with _desk(args) as billing:
        if args.set_up is not None:
            return _set_up(args, billing)
        if args.revoke is not None:
            method = billing.methods.revoke(args.revoke, actor=args.actor)
            locale = spoken(billing.billers.get(method.biller), args.lang)
            if args.json:
                answer(method)
            else:
                Screen().line(tell("revoked", locale, method=method.label or method.id))
            return _DONE
        rows, told = [], []
        for biller in the_billers(billing, args.biller):
            locale = spoken(biller, args.lang)
            customer = the_customer(billing, biller, args.customer) if args.customer is not None else None
            after = ""
            while page := billing.methods.find(biller=biller, customer=customer, after=after, limit=500):
                after = page[-1].id
                for method in page:
                    told.append(method)
                    who = billing.customers.get(method.customer)
                    state, kind = (
                        say(f"method_state.{method.state.value}", locale),
                        say(f"method.{method.kind.value}", locale),
                    )
                    rows.append([who.name, kind, method.label, state, method.gateway, method.id])
        if args.json:
            answer({"methods": told})
        elif rows:
            locale = spoken(the_billers(billing, args.biller)[0], args.lang)
            heads = ("customer", "kind", "method", "state", "gateway", "id")
            Screen().table([Column(tell(f"head.{head}", locale), spare=int(head == "gateway")) for head in heads], rows)
        else:
            Screen().line(tell("no_methods", spoken(None, args.lang)))
    return _DONE


def _set_up(args: argparse.Namespace, billing: Billing) -> int:
    biller = the_biller(billing, args.biller)
    if args.return_url is None:
        raise InvalidValue("return_url", None, "is missing", "give --return-url, where the customer comes back to")
    page = billing.methods.setup(
        the_customer(billing, biller, args.set_up),
        return_url=args.return_url,
        kind=args.kind,
        gateway=args.by,
        actor=args.actor,
    )
    if args.json:
        answer({"method": page.method.id, "url": page.url})
    else:
        Screen().line(page.url)
    return _DONE


def _alerts(args: argparse.Namespace) -> int:
    with opened(args.db) as billing:
        if args.resolve is not None:
            resolved = billing.alerts.resolve(args.resolve, resolution=args.note or "", actor=args.actor)
            if args.json:
                answer(resolved)
            else:
                locale = spoken(billing.billers.get(resolved.biller), args.lang)
                Screen().line(tell("resolved", locale, alert=say(f"alert.{resolved.kind.value}", locale)))
            return _DONE
        told, rows = [], []
        locale = spoken(None, args.lang)
        for biller in the_billers(billing, args.biller):
            locale = spoken(biller, args.lang)
            after = ""
            while page := billing.alerts.find(biller=biller, after=after, limit=500):
                after = page[-1].id
                told += page
                rows += [_alert_row(billing, each, locale) for each in page]
        if args.json:
            answer({"alerts": told})
        elif rows:
            heads = ("on", "alert", "invoice", "text", "id")
            Screen().table([Column(tell(f"head.{head}", locale), wraps=head == "text") for head in heads], rows)
        else:
            Screen().line(tell("no_alerts", locale), "green")
    return _DONE


def _alert_row(billing: Billing, alert: Alert, locale: str) -> list[str]:
    invoice = _invoice(billing, alert.invoice).removesuffix(": ")
    on = format_date(alert.raised_at.date(), locale)
    return [on, say(f"alert.{alert.kind.value}", locale), invoice, alert.text, alert.id]


COLLECTING: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "collect": _collect,
    "recover": _recover,
    "receive": _receive,
    "reconcile": _reconcile,
    "mandates": _mandates,
    "alerts": _alerts,
}
