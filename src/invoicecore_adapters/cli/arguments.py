"""The command line's words: commands, options and help. Nothing of the library is imported to print help."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from datetime import date
from typing import Final, NoReturn

# The values of the library's enums, written out so that --help need not import it; a test holds them equal.
STATUSES: Final = ("draft", "open", "paid", "pending", "overdue", "void", "refunded")
METHODS: Final = ("cash", "cheque", "transfer", "card", "direct_debit", "other")
ORDERS: Final = ("created", "-created", "due", "-due", "number", "-number", "total", "-total")

DEFAULT_DB: Final = "sqlite:///invoicecore.db"

# Commands that count for no day: they show what is, or do what is due by the clock.
NO_DAY: Final = (
    "demo", "plugins", "pdf", "statement", "deliver", "web", "collect", "recover", "receive", "reconcile", "mandates",
    "alerts", "export", "import", "doctor",
)  # fmt: skip

EXIT_CODES: Final = """\
exit codes:
  0  done
  1  refused by a rule, or a file with faults; nothing was changed
  2  the command line is not understood
  3  done, but some items failed or are in doubt; the report names them
  4  the store, a provider, a plugin, an extra or the output cannot be used
  5  a mistake in invoicecore itself

Errors are one sentence on stderr; with --json an object with their code and data.
An INVOICE is its id, its number, or a draft's reference; a BILLER is its id or its name.
"""


class Misused(Exception):
    """A command line that is not understood: the sentence, and in `usage` how it goes."""

    def __init__(self, message: str, usage: str) -> None:
        self.usage = usage
        super().__init__(message)


def parsed(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments. Raises Misused for what is not understood."""
    top = _parser()
    found = top.parse_args(_joined(argv))
    if found.command not in NO_DAY:
        found.on = getattr(found, "on", None)
    elif hasattr(found, "on"):
        top.error(f"{found.command} takes no --on")
    for name, default in (("db", os.environ.get("INVOICECORE_DB") or DEFAULT_DB), ("json", False)):
        setattr(found, name, getattr(found, name, default))
    if hasattr(found, "gateway") and found.gateway is None:
        found.gateway = os.environ.get("INVOICECORE_GATEWAY", "").split()
    for name in ("lang", "actor"):
        setattr(found, name, getattr(found, name, None))
    return found


def wants_json(argv: Sequence[str]) -> bool:
    """Whether --json, or what argparse takes for it, is among the words, also where the rest is not understood."""
    return any(len(word) > 2 and "--json".startswith(word) for word in argv)


def _joined(argv: Sequence[str]) -> list[str]:
    """The words with `--order -due` as one: argparse would take -due for an option."""
    words = list(argv)
    for i in range(len(words) - 2, -1, -1):
        if len(words[i]) > 3 and "--order".startswith(words[i]) and words[i + 1] in ORDERS:
            words[i : i + 2] = [f"--order={words[i + 1]}"]
    return words


class _Parser(argparse.ArgumentParser):
    """A parser that raises what is wrong instead of printing it."""

    def error(self, message: str) -> NoReturn:
        """Raise Misused with the usage of this command."""
        raise Misused(message, self.format_usage())


class _AnyOrder(_Parser):
    """A command whose words and options may stand in any order: `pay INV-1 --on 2026-04-12 50` too."""

    # argparse would give the optional AMOUNT its default at the first option it meets, and then not know the 50.
    _within = False

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]  # argparse's own overloads
        """What argparse's intermixed parsing finds, which is built from this very method."""
        if self._within:
            return super().parse_known_args(args, namespace)
        self._within = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._within = False


def _parser() -> argparse.ArgumentParser:
    # SUPPRESS: an option left out after the command must not undo the same option given before it.
    everywhere = _AnyOrder(add_help=False, argument_default=argparse.SUPPRESS)
    group = everywhere.add_argument_group("everywhere")
    group.add_argument("--db", metavar="URL", help=f"the store (default: $INVOICECORE_DB, else {DEFAULT_DB})")
    group.add_argument("--json", action="store_true", help="answer in JSON")
    group.add_argument("--lang", metavar="LANG", help="en or fr, or a locale such as fr_CA (default: the biller's)")
    group.add_argument("--actor", metavar="NAME", help="who does this, for the timeline")
    top = _Parser(
        prog="invoicecore",
        description="Bill residents, clients and stays: load their data, run their billing, take their money.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[everywhere],
        argument_default=argparse.SUPPRESS,
    )
    _on(top, "the day it counts for")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_AnyOrder)

    def command(name: str, what: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=what,
            description=what,
            epilog=EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            parents=[everywhere],
        )

    demo = command("demo", "load the example businesses, run months of billing, and show the result")
    demo.add_argument("--dir", metavar="DIR", help="where to put the database (default: a new temporary folder)")

    load = command("load", "load a JSON file, or a folder of CSV files; loading again adds only what is new")
    load.add_argument("path", metavar="PATH")
    load.add_argument("--check", action="store_true", help="only look for faults, write nothing")
    _on(load, "the day the data is registered for; a client's monthly cycle starts then")

    run = command("run", "invoice every lease and monthly client that is due; harmless to repeat")
    _on(run, "the day to run for")
    run.add_argument("--dry-run", action="store_true", help="say what would be made, write nothing")
    _biller(run)

    invoices = command("invoices", "list invoices with their status")
    _biller(invoices, "only this one (default: all); with --customer, --unit or --after not needed where there is one")
    invoices.add_argument("--status", choices=STATUSES, action="append", help="may be given several times")
    invoices.add_argument("--customer", metavar="CUSTOMER", help="id, name or e-mail address")
    invoices.add_argument("--unit", metavar="NUMBER")
    _on(invoices, "the day the status is judged on")
    invoices.add_argument("--order", choices=ORDERS, default="created", help="with - in front: descending")
    invoices.add_argument("--limit", type=_page_size, default=50, metavar="N", help="invoices a page (default: 50)")
    invoices.add_argument("--after", metavar="MARK", help="the mark a page ended with, for the next one")

    show = command("show", "show an invoice with its lines, money and timeline")
    _invoice(show)
    _on(show, "the day the status is judged on")

    publish = command("publish", "publish a draft, or all of them: they get a number and become payable")
    publish.add_argument("invoice", metavar="INVOICE", nargs="?")
    publish.add_argument("--all", action="store_true", help="every draft of the biller")
    publish.add_argument(
        "--yes", action="store_true", help="with --all: do not ask first; needed where nobody can be asked"
    )
    publish.add_argument("--due", type=day, metavar="DATE", help="move the due date")
    publish.add_argument("--notify", action=argparse.BooleanOptionalAction, default=None, help="tell the payer, or not")
    _biller(publish, "whose it is, or with --all whose drafts; not needed where there is one")
    _on(publish, "the day of issue")

    pay = command("pay", "record money received elsewhere: AMOUNT, or all that is owed")
    _invoice(pay)
    pay.add_argument("amount", metavar="AMOUNT", nargs="?", help="such as 120.50, in the biller's currency")
    pay.add_argument("--method", choices=METHODS, default="transfer")
    pay.add_argument("--reference", default="", metavar="TEXT")
    pay.add_argument("--rest", choices=("credit",), help="what is more than owed becomes the customer's credit")
    _on(pay, "the day it was received, none after today")
    _key(pay)

    void = command("void", "void an invoice that holds no money")
    _invoice(void)
    void.add_argument("--reason", default="", metavar="TEXT")
    void.add_argument("--release-charges", action="store_true", help="open its charges again")
    _on(void, "the day of voiding")

    refund = command("refund", "give money of an invoice back: AMOUNT, or all that is held")
    _invoice(refund)
    refund.add_argument("amount", metavar="AMOUNT", nargs="?")
    refund.add_argument(
        "--to",
        choices=("source", "gateway", "credit"),
        default="source",
        help="source: you gave it back yourself; gateway: have the provider give it back (default: source)",
    )
    _gateway(refund)
    refund.add_argument("--method", choices=METHODS, default="transfer")
    refund.add_argument("--reference", default="", metavar="TEXT")
    refund.add_argument("--reason", default="", metavar="TEXT")
    _on(refund, "the day of the refund, none after today")
    _key(refund)

    summary = command("summary", "show the summary cards and how many invoices have each status")
    _biller(summary)
    _on(summary, "the day the status is judged on")

    pdf = command("pdf", "write an invoice as a PDF, in the payer's language")
    _invoice(pdf)
    _out(pdf)
    _base_url(pdf)

    statement = command("statement", "write a customer's statement of account as a PDF, in the customer's language")
    statement.add_argument("customer", metavar="CUSTOMER", help="id, name or e-mail address")
    statement.add_argument("--since", type=day, metavar="DATE", required=True, help="the first day")
    statement.add_argument("--until", type=day, metavar="DATE", help="the last day (default: today)")
    _biller(statement, "whose customer it is; not needed where there is one")
    _out(statement)

    deliver = command("deliver", "send the e-mails that are due, each with its document")
    deliver.add_argument(
        "--mailer",
        metavar="URL",
        default=os.environ.get("INVOICECORE_MAILER"),
        help="smtp://…, smtps://…, files://FOLDER or console:// (default: $INVOICECORE_MAILER)",
    )
    _base_url(deliver)
    _biller(deliver)

    remind = command("remind", "queue the reminders and charge the late fees that are due; harmless to repeat")
    _on(remind, "the day to remind for")
    remind.add_argument("--dry-run", action="store_true", help="say what would be queued, write nothing")
    _biller(remind)

    link = command("link", "show the stable link to an invoice's pay page")
    _invoice(link)
    link.add_argument("--revoke", action="store_true", help="make the link open nothing any more")
    _base_url(link)
    _on(link, "the day it counts for")

    web = command("web", "serve the pay pages, the PDFs behind them and the gateway's webhooks")
    web.add_argument("--host", default="127.0.0.1", metavar="HOST", help="(default: 127.0.0.1)")
    web.add_argument("--port", type=_port, default=8000, metavar="PORT", help="(default: 8000)")
    _gateway(web)
    web.add_argument(
        "--trusted-proxy",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="a proxy or network whose X-Forwarded-For tells who asks; may be given several times",
    )
    _base_url(web)

    collect = command("collect", "send the collections that are due to their providers; harmless to repeat")
    _gateway(collect)
    _biller(collect)

    recover = command("recover", "find out what became of collections and refunds in doubt; apply events that wait")
    _gateway(recover)
    _biller(recover)

    receive = command("receive", "apply a provider's webhook from a file, or every event since a day")
    receive.add_argument("name", metavar="GATEWAY", help="its name, such as stripe")
    receive.add_argument("--since", type=day, metavar="DATE", help="ask the provider for every event since")
    receive.add_argument("--body", metavar="FILE", help="the webhook's body (default: standard input)")
    receive.add_argument(
        "--header", metavar="'NAME: VALUE'", action="append", default=[], help="a header of it; several times"
    )
    _gateway(receive)

    reconcile = command("reconcile", "compare what a provider holds with what is held here; changes nothing")
    reconcile.add_argument("name", metavar="GATEWAY", help="its name, such as stripe")
    reconcile.add_argument(
        "--since", type=day, metavar="DATE", required=True, help="payments made on this day or later"
    )
    reconcile.add_argument("--until", type=day, metavar="DATE", help="the last day (default: until now)")
    _gateway(reconcile)
    _biller(reconcile)

    mandates = command("mandates", "list saved mandates and cards, set one up, or give one up")
    mandates.add_argument("--customer", metavar="CUSTOMER", help="only of this one: id, name or e-mail address")
    mandates.add_argument("--set-up", metavar="CUSTOMER", help="show the page on which this customer saves one")
    mandates.add_argument("--kind", choices=("direct_debit", "card"), default="direct_debit", help="with --set-up")
    mandates.add_argument("--by", metavar="GATEWAY", help="with --set-up: its name (default: the first that can)")
    mandates.add_argument("--return-url", metavar="URL", help="with --set-up: where the customer comes back to")
    mandates.add_argument("--revoke", metavar="ID", help="give one up at the provider")
    _gateway(mandates)
    _biller(mandates, "only this one (default: all); with --set-up or --customer not needed where there is one")

    alerts = command("alerts", "list what a person must look at, or say how it was dealt with")
    alerts.add_argument("--resolve", metavar="ID", help="this one is dealt with; needs --note")
    alerts.add_argument("--note", metavar="TEXT", help="with --resolve: how")
    _biller(alerts)

    export = command("export", "write everything there is to a file, or into another store, and compare the totals")
    export.add_argument("file", metavar="FILE", nargs="?", help="a new file; compressed if its name ends in .gz")
    export.add_argument("--to", metavar="URL", help="a store to write into instead, such as sqlite:///new.db")
    _resume(export)
    _biller(export)

    import_ = command("import", "read what `export` wrote into the store, and compare the totals")
    import_.add_argument("file", metavar="FILE")
    _resume(import_)

    doctor = command("doctor", "look at the installation, the store and the work in it, and say what to do")
    _biller(doctor)

    command("plugins", "list the installed plugins and what they offer")
    return top


def day(text: str) -> date:
    """A date of the command line, year-month-day."""
    try:
        if len(text) != 10:
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date; write it as 2026-04-01") from None


def _page_size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= 1000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 1000")
    return int(text)


def _on(command: argparse.ArgumentParser, what: str) -> None:
    # SUPPRESS: see the options for everywhere.
    told = f"{what} (year-month-day; default: today)"
    command.add_argument("--on", type=day, metavar="DATE", default=argparse.SUPPRESS, help=told)


def _biller(command: argparse.ArgumentParser, told: str = "only this one (default: all)") -> None:
    command.add_argument("--biller", metavar="BILLER", help=told)


def _resume(command: argparse.ArgumentParser) -> None:
    command.add_argument("--resume", action="store_true", help="go on with what an interruption left in the store")


def _invoice(command: argparse.ArgumentParser) -> None:
    command.add_argument("invoice", metavar="INVOICE")
    _biller(command, "whose it is, where several billers have that number")


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to 65535")
    return int(text)


def _out(command: argparse.ArgumentParser) -> None:
    told = "a file, a folder, or - (default: its own name, in this folder); a file that is there is overwritten"
    command.add_argument("--out", metavar="FILE", help=told)


def _base_url(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--base-url",
        metavar="URL",
        default=os.environ.get("INVOICECORE_BASE_URL"),
        help="where the pay pages are served, for the links (default: $INVOICECORE_BASE_URL)",
    )


def _gateway(command: argparse.ArgumentParser) -> None:
    told = (
        "what takes the payments, such as stripe://; several times (default: $INVOICECORE_GATEWAY, separated by spaces)"
    )
    command.add_argument("--gateway", metavar="URL", action="append", help=told)


def _key(command: argparse.ArgumentParser) -> None:
    command.add_argument("--key", metavar="KEY", help="the same key never does it twice")
