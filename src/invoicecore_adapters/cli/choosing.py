"""What the words of a command line stand for: a biller, an invoice, a customer, an amount, a language."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from invoicecore import Billing, Invoice, InvoicecoreError, Money
from invoicecore.errors import InvalidMoney, InvalidValue, NotFound, StoreError
from invoicecore.invoices import Status
from invoicecore.money import decimals
from invoicecore.parties import Biller, Customer
from invoicecore.wording import LOCALES, decimal_mark, locale_of
from invoicecore_adapters.cli.numbers import finer_than, plain_number

if TYPE_CHECKING:
    from invoicecore import Plugins
    from invoicecore.ports import Clock, PaymentGateway, Store

_FILE = "sqlite:///"


class Unclear(InvoicecoreError):
    """The command line can be read in several ways; the message says how to make it one."""

    code = "unclear"


def opened(
    url: str,
    *,
    plugins: Plugins | None = None,
    new: bool = False,
    mailer: str | None = None,
    gateway: PaymentGateway | Sequence[PaymentGateway | str] | None = None,
    base_url: str | None = None,
    clock: Clock | None = None,
) -> Billing:
    """The desk of a store, and what it is wired to. Raises StoreError for a database file that is not there, unless `new` ones are welcome."""
    if not new:
        _there(url)
    try:
        billing = Billing.open(url, mailer=mailer, gateway=gateway, base_url=base_url, clock=clock, plugins=plugins)
    except InvalidValue as error:
        if error.field == "base_url":
            raise
        raise StoreError(str(error)) from error
    try:
        _ = billing.gateways  # one that cannot be opened is named before anything is done
    except BaseException as error:
        billing.close()
        if isinstance(error, InvalidValue):
            raise StoreError(f"a gateway cannot be opened: {error}") from error
        raise
    return billing


def opened_store(url: str, *, new: bool = False) -> Store:
    """A store by itself, with none of what a desk has around it; raises as `opened` does."""
    from invoicecore import Plugins

    if not new:
        _there(url)
    try:
        return Plugins.discover().store(url)
    except InvalidValue as error:
        raise StoreError(str(error)) from error


def _there(url: str) -> None:
    # A mistyped path must not answer "no invoices" from an empty database that was made on the spot.
    path = url.removeprefix(_FILE).partition("?")[0]
    if not url.startswith(_FILE) or not path or path == ":memory:":
        return
    try:
        empty = Path(path).stat().st_size == 0  # as `touch` makes one, or a copy that failed
    except (FileNotFoundError, NotADirectoryError):
        empty = True
    except OSError as error:
        why = f"{path} cannot be opened ({error.strerror})"
        raise StoreError(f"{why}; check the path and the rights on it, or name another one with --db") from error
    if empty:
        raise StoreError(f"there is no database {path} here; load some data first, or name another one with --db")


def opened_if_there(url: str) -> Billing | None:
    """The desk of a store, None when there is none yet or it cannot be read."""
    try:
        return opened(url)
    except StoreError:
        return None


def the_biller(billing: Billing, name: str | None) -> Biller:
    """The biller of that id or name, or the only one. Raises Unclear when there are several, NotFound for none."""
    return named(billing.billers.all(), name)


def named(billers: list[Biller], name: str | None) -> Biller:
    """The one of these of that id or name, or the only one; raises as `the_biller` does."""
    which = f"there are {len(billers)} billers here and this is about one, name it with --biller"
    if name is not None:
        found = [biller for biller in billers if biller.id == name] or [
            biller for biller in billers if biller.name.casefold() == name.casefold()
        ]
        if not found:
            raise NotFound("biller", name)
        billers, which = found, f"{len(found)} billers are called {name!r}, give an id with --biller"
    if len(billers) == 1:
        return billers[0]
    if not billers:
        raise NotFound("biller", "any")
    known = "; ".join(f"{biller.id} ({biller.name})" for biller in billers)
    raise Unclear(f"{which}: {known}")


def the_billers(billing: Billing, name: str | None) -> list[Biller]:
    """The biller of that id or name, or all of them."""
    return [the_biller(billing, name)] if name is not None else billing.billers.all()


def the_invoice(billing: Billing, reference: str, biller: str | None) -> tuple[Biller, Invoice]:
    """The invoice of that id, number or draft reference, among the billers there are.

    Raises NotFound, and Unclear when several billers have that number.
    """
    found = [
        (one, invoice)
        for one in the_billers(billing, biller)
        if (invoice := _of_biller(billing, reference, one)) is not None
    ]
    if not found:
        raise NotFound("invoice", reference)
    if len(found) > 1:
        known = "; ".join(f"{one.id} ({one.name})" for one, _ in found)
        raise Unclear(f"{len(found)} billers have an invoice {reference!r}, name one with --biller: {known}")
    return found[0]


def _of_biller(billing: Billing, reference: str, biller: Biller) -> Invoice | None:
    try:
        found = billing.invoices.get(reference, biller=biller)
        return found if found.biller == biller.id else None
    except NotFound:
        pass
    if not re.fullmatch(r"D-[0-9]+", reference):
        return None
    # Drafts are few; what was published since is looked for only when none of them is meant.
    return next(
        (
            invoice
            for status in (Status.DRAFT, None)
            for invoice in _all(billing, biller, status)
            if invoice.draft_reference == reference
        ),
        None,
    )


def _all(billing: Billing, biller: Biller, status: Status | None) -> Iterator[Invoice]:
    mark: str | None = None
    while True:
        page = billing.invoices.find(biller=biller, status=status, after=mark, limit=1000)
        yield from page.items
        if page.next is None:
            return
        mark = page.next


def the_customer(billing: Billing, biller: Biller, name: str) -> Customer:
    """The biller's customer of that id, name or e-mail address. Raises NotFound, and Unclear for several."""
    wanted = name.casefold()
    found = [
        one
        for one in billing.customers.find(biller=biller)
        if one.id == name or wanted in (one.name.casefold(), (one.email or "").casefold())
    ]
    if not found:
        raise NotFound("customer", name)
    if len(found) > 1:
        raise Unclear(f"{len(found)} customers are called {name!r}, give an id: {', '.join(one.id for one in found)}")
    return found[0]


def the_amount(text: str | None, biller: Biller, locale: str) -> Money | None:
    """An amount in the biller's currency; a decimal comma is for those who write one. None for None."""
    if text is None:
        return None
    plain = plain_number(text, comma=decimal_mark(locale) == ",")
    if plain is None:
        example = Money(Decimal(12050).scaleb(-decimals(biller.currency)), biller.currency).amount
        way_out = f"write it as {example}, without a currency or a separator of thousands"
        raise InvalidMoney("amount", text, "is not an amount", way_out)
    amount = Decimal(plain)
    too_fine = finer_than(amount, biller.currency)
    if too_fine is not None:
        raise InvalidMoney("amount", text, *too_fine)
    return Money(amount, biller.currency)


def spoken_by(billers: Iterable[Biller], language: str | None) -> tuple[dict[str, str], str]:
    """The locale of each biller by its id, and the one to speak of all of them in."""
    locales = {one.id: spoken(one, language) for one in billers}
    return locales, next(iter(locales.values()), spoken(None, language))


def spoken(biller: Biller | None, language: str | None) -> str:
    """The locale to speak: the one asked for, in the biller's country where it is spoken there, else the biller's."""
    if language is None:
        return biller.locale if biller is not None else "en_GB"
    if biller is not None:
        at_home = f"{language.casefold()}_{biller.locale.rpartition('_')[2]}"
        if at_home in LOCALES:
            return at_home
    try:
        return locale_of(language, "lang")
    except InvalidValue as error:
        raise Unclear(f"--lang {language} {error.reason}; {error.way_out}") from None
