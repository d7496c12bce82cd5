"""The commands that talk to payment providers: collect, recover, receive, reconcile, mandates, and the alerts they raise."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from invoicecore import Billing, Money
from invoicecore.alerts import Alert
from invoicecore.collection import SavedMethod
from invoicecore.errors import InvalidValue, NotWired
from invoicecore.wording import can_say, format_date, format_money, method_name, say
from invoicecore_adapters.cli.answers import answer, in_shell, report_data
from invoicecore_adapters.cli.choosing import (
    Unclear,
    opened,
    spoken,
    spoken_by,
    the_biller,
    the_billers,
    the_customer,
)
from invoicecore_adapters.cli.speech import fact, tell
from invoicecore_adapters.cli.tables import Column, Screen, progress

if TYPE_CHECKING:
    from invoicecore_adapters.cli.details import Outcome

_DONE, _PARTLY = 0, 3
_SHOWN: Final = 20

# What the command calls each kind, in whole: what follows the point is the library's name of it.
_KINDS: Final = (
    "attempts.succeeded", "attempts.pending", "attempts.failed", "attempts.doubtful", "attempts.waiting",
    "attempts.cancelled", "attempts.events", "attempts.warnings",
)  # fmt: skip
_NAMED: Final = ("attempts.failed", "attempts.doubtful", "attempts.warnings")
_RECEIVED: Final = (
    "received.applied", "received.repeated", "received.ignored", "received.waiting", "received.parked",
)  # fmt: skip
_DIFFERENCES: Final = (
    "difference.unknown_here", "difference.missing_there", "difference.amount", "difference.collected",
    "difference.taken_back", "difference.refunded", "difference.state",
)  # fmt: skip


class _Report(Protocol):
    """What `collect` and `recover` answer, beside their tallies."""

    stopped: str


def _name(key: str) -> str:
    return key.rpartition(".")[2]


def _key(keys: Sequence[str], name: str) -> str:
    return next(key for key in keys if _name(key) == name)


def _desk(args: argparse.Namespace) -> Billing:
    if not args.gateway:
        raise NotWired("gateway", "give --gateway URL, such as stripe://, or set INVOICECORE_GATEWAY")
    return opened(args.db, gateway=args.gateway)


def _known(billing: Billing, name: str) -> str:
    """The name of a gateway that is here, as it was given."""
    names = [info.name for info in billing.gateways]
    if name not in names:
        way_out = f"name one of those given with --gateway: {', '.join(names)}"
        raise InvalidValue("gateway", name, "is none of those here", way_out)
    return name


def _collect(args: argparse.Namespace) -> int:
    return _attempts(args, "collecting", lambda billing: billing.collect)


def _recover(args: argparse.Namespace) -> int:
    return _attempts(args, "recovering", lambda billing: billing.recover)


def _attempts(args: argparse.Namespace, doing: str, verb: Callable[[Billing], Callable[..., _Report]]) -> int:
    with _desk(args) as billing:
        biller = the_biller(billing, args.biller) if args.biller is not None else None
        _, locale = spoken_by(the_billers(billing, args.biller), args.lang)
        with progress(tell(doing, locale)) as bar:
            report = verb(billing)(biller=biller, actor=args.actor, progress=lambda done: bar(done, None))
        tallies = {key: getattr(report, _name(key)) for key in _KINDS}
        if args.json:
            answer({**report_data(report, map(_name, _KINDS)), "stopped": report.stopped})
        else:
            screen = Screen()
            columns = [Column(tell(key, locale), right=True) for key in _KINDS]
            screen.table(columns, [[str(tally.count) for tally in tallies.values()]])
            for key in _NAMED:
                for outcome in tallies[key].items[:_SHOWN]:
                    told = ", ".join(filter(None, (_invoice(billing, outcome.invoice), _why(billing, outcome, locale))))
                    screen.line(fact(tell(key, locale), told, locale), "yellow")
                if tallies[key].count > _SHOWN:
                    screen.line(tell("and_more", locale, count=tallies[key].count - _SHOWN))
            if report.stopped:
                screen.line(tell("stopped_collecting", locale, why=in_shell(report.stopped)), "red")
    failed = tallies["attempts.failed"].count or tallies["attempts.doubtful"].count
    return _PARTLY if failed or report.stopped else _DONE


def _why(billing: Billing, outcome: Outcome, locale: str) -> str:
    """Why something failed or is warned of, in the reader's words where there are any."""
    if outcome.code == "after_due" and outcome.about is not None and outcome.due_on is not None:
        expected = billing.collections.get(outcome.about).expected_on or outcome.due_on
        return tell("after_due", locale, day=format_date(expected, locale), due=format_date(outcome.due_on, locale))
    if can_say(f"decline.{outcome.text}"):
        return say(f"decline.{outcome.text}", locale)
    if not outcome.text and can_say(f"collection.{outcome.code}"):
        return say(f"collection.{outcome.code}", locale)
    name, colon, rest = outcome.text.partition(": ")
    return in_shell(rest if colon and name.isidentifier() else outcome.text or outcome.code)


def _invoice(billing: Billing, invoice: str | None) -> str:
    return billing.invoices.get(invoice).reference if invoice is not None else ""


def _receive(args: argparse.Namespace) -> int:
    if args.since is not None and (args.body is not None or args.header):
        raise Unclear("--since asks the provider for its events; leave out --body and --header")
    with _desk(args) as billing:
        if args.since is not None:
            since = datetime.combine(args.since, time(), UTC)
            told = billing.receive_missed(_known(billing, args.name), since=since, actor=args.actor)
        else:
            told = billing.receive(_known(billing, args.name), _body(args.body), _headers(args.header))
        if args.json:
            answer({"events": told})
        else:
            (_, locale), screen = spoken_by(billing.billers.all(), args.lang), Screen()
            counts = {key: sum(each.state == _name(key) for each in told) for key in _RECEIVED}
            if told:
                screen.table(
                    [Column(tell(key, locale), right=True) for key in _RECEIVED],
                    [[str(count) for count in counts.values()]],
                )
            else:
                screen.line(tell("no_events", locale))
            for each in told:
                if each.why and each.state in ("waiting", "parked"):
                    screen.line(fact(each.event, in_shell(each.why), locale), "yellow")
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


def _day_after(day: date) -> datetime:
    try:
        return datetime.combine(day + timedelta(days=1), time(), UTC)
    except OverflowError as error:
        raise InvalidValue("until", day, "leaves no day after it", "give an earlier day, or leave it out") from error


def _reconcile(args: argparse.Namespace) -> int:
    with _desk(args) as billing:
        biller = the_biller(billing, args.biller) if args.biller is not None else None
        _, locale = spoken_by(the_billers(billing, args.biller), args.lang)
        since = datetime.combine(args.since, time(), UTC)
        until = _day_after(args.until) if args.until is not None else None
        found = billing.reconcile(_known(billing, args.name), since=since, until=until, biller=biller)
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
            heads = ("head.invoice", "head.payment", "head.difference", "head.there", "head.here")
            rows = [
                [
                    _invoice(billing, each.invoice),
                    each.reference,
                    tell(_key(_DIFFERENCES, each.kind.value), locale),
                    _side(each.there, locale),
                    _side(each.here, locale),
                ]
                for each in found.differences
            ]
            if rows:
                screen.table([Column(tell(head, locale), wraps=head in heads[3:]) for head in heads], rows)
            else:
                screen.line(tell("no_differences", locale), "green")
    return _PARTLY if found.differences else _DONE


def _side(told: str, locale: str) -> str:
    """What one side holds: an amount or a state in the reader's words, anything else as it is told."""
    amount, _, code = told.partition(" ")
    if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", amount) and re.fullmatch("[A-Z]{3}", code):
        return format_money(Money(amount, code), locale)
    return say(f"collection.{told}", locale) if can_say(f"collection.{told}") else told


def _mandates(args: argparse.Namespace) -> int:
    if args.set_up is not None and args.revoke is not None:
        raise Unclear("--set-up begins one and --revoke ends one; give one of the two")
    asks = args.set_up is not None or args.revoke is not None
    with _desk(args) if asks else opened(args.db) as billing:
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
        billers = the_billers(billing, args.biller)
        locales, locale = spoken_by(billers, args.lang)
        for biller in billers:
            customer = the_customer(billing, biller, args.customer) if args.customer is not None else None
            after = ""
            while page := billing.methods.find(biller=biller, customer=customer, after=after, limit=500):
                after = page[-1].id
                told += page
                rows += [_method_row(billing, method, locales[biller.id]) for method in page]
        if args.json:
            answer({"methods": told})
        elif rows:
            heads = ("head.customer", "head.kind", "head.method", "head.state", "head.gateway", "head.id")
            Screen().table([Column(tell(head, locale), spare=int(head == "head.gateway")) for head in heads], rows)
        else:
            Screen().line(tell("no_methods", locale))
    return _DONE


def _method_row(billing: Billing, method: SavedMethod, locale: str) -> list[str]:
    who = billing.customers.get(method.customer).name
    state = say(f"method_state.{method.state.value}", locale)
    return [who, method_name(method.kind, locale), method.label, state, method.gateway, method.id]


def _set_up(args: argparse.Namespace, billing: Billing) -> int:
    biller = the_biller(billing, args.biller)
    if args.return_url is None:
        raise Unclear("--set-up needs --return-url, where the customer comes back to")
    page = billing.methods.setup(
        the_customer(billing, biller, args.set_up),
        return_url=args.return_url,
        kind=args.kind,
        gateway=_known(billing, args.by) if args.by is not None else None,
        actor=args.actor,
    )
    if args.json:
        answer({"method": page.method.id, "url": page.url})
    else:
        Screen().line(page.url)
    return _DONE


def _alerts(args: argparse.Namespace) -> int:
    if args.resolve is not None and not (args.note or "").strip():
        raise Unclear("--resolve needs --note, how it was dealt with")
    with opened(args.db) as billing:
        if args.resolve is not None:
            resolved = billing.alerts.resolve(args.resolve, resolution=args.note or "", actor=args.actor)
            if args.json:
                answer(resolved)
            else:
                locale = spoken(billing.billers.get(resolved.biller), args.lang)
                Screen().line(tell("resolved", locale, alert=say(f"alert.{resolved.kind.value}", locale)))
            return _DONE
        rows, told = [], []
        billers = the_billers(billing, args.biller)
        locales, locale = spoken_by(billers, args.lang)
        for biller in billers:
            after = ""
            while page := billing.alerts.find(biller=biller, after=after, limit=500):
                after = page[-1].id
                told += page
                rows += [_alert_row(billing, each, locales[biller.id]) for each in page]
        if args.json:
            answer({"alerts": told})
        elif rows:
            heads = ("head.on", "head.alert", "head.invoice", "head.text", "head.id")
            Screen().table([Column(tell(head, locale), wraps=head == "head.text") for head in heads], rows)
        else:
            Screen().line(tell("no_alerts", locale), "green")
    return _DONE


def _alert_row(billing: Billing, alert: Alert, locale: str) -> list[str]:
    invoice = _invoice(billing, alert.invoice)
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
