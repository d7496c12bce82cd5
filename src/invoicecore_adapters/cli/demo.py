"""The demo: three businesses, half a year of billing day by day, and what each of them sees at the end.

Every date is fixed, so that the demo shows the same on any day. It does what staff would do; the desk does the rest.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import date, timedelta
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import attrs

from invoicecore import Billing, Invoice, Plugins
from invoicecore.documents.words import filename_of
from invoicecore.errors import MissingExtra, StoreError
from invoicecore.invoices import Lifecycle, Status
from invoicecore.money import Money
from invoicecore.parties import Biller
from invoicecore.ports import Order
from invoicecore.wording import format_date, say
from invoicecore_adapters.cli.answers import answer, invoice_data, summary_data
from invoicecore_adapters.cli.choosing import opened, spoken
from invoicecore_adapters.cli.documents import read
from invoicecore_adapters.cli.loading import load, rehearsal, shares_of
from invoicecore_adapters.cli.speech import tell
from invoicecore_adapters.cli.tables import Names, Screen, cards, invoice_table, progress

if TYPE_CHECKING:
    from invoicecore_adapters.cli.demo_collecting import Collected

FIRST: Final = date(2026, 1, 1)
LAST: Final = date(2026, 6, 30)
SOURCES: Final = ("residents", "clients/practice.json", "stays/campground.json")
"""The example data, below `examples/`."""

_LIBRARIES: Final = ("sqlalchemy", "typst", "segno", "jinja2", "stripe", "gocardless_pro", "pytest", "hypothesis")
_ONE_DAY: Final = timedelta(days=1)
_SHOWN: Final = 12
_PAGES: Final = "https://pay.example.com"
_MONTHS: Final = ("", "Janvier", "Février", "Mars", "Avril", "Mai", "Juin")


def examples() -> Path:
    """Where the example data is: beside this package once installed, at the top of a source checkout."""
    here = Path(__file__).parent
    for folder in (here / "examples", *(parent / "examples" for parent in here.parents[2:3])):
        if all((folder / source).exists() for source in SOURCES):
            return folder
    raise StoreError("the example data is not installed here; run the demo from a checkout, or reinstall invoicecore")


def demo(folder: str | None, *, as_json: bool, language: str | None) -> int:
    """Load the examples into a fresh database, bill half a year, show the result. Returns the exit code."""
    if any(find_spec(library) is None for library in _LIBRARIES):
        raise MissingExtra("the demo", "cli,pdf,mail,stripe,gocardless,testing")
    from invoicecore_adapters.cli.demo_collecting import Collected, providers

    source = examples()
    place = Path(folder) if folder is not None else Path(tempfile.mkdtemp(prefix="invoicecore-demo-"))
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"the folder {place} cannot be made ({error.strerror}); name another --dir") from error
    database = place / "demo.db"
    if database.exists():
        raise StoreError(f"{database} is there already; name another --dir, or remove it")
    url = f"sqlite:///{database}"
    print(f"invoicecore demo: {database}", file=sys.stderr)
    folders = {}
    with ExitStack() as desks, progress(tell("running", spoken(None, language))) as bar:
        both = desks.enter_context(providers(FIRST))
        desk = partial(opened, url, base_url=_PAGES, clock=both.clock)
        for name in SOURCES:
            load(source / name, lambda heard: desk(plugins=Plugins.discover(heard), new=True), rehearsal, on=FIRST)
        billing = desks.enter_context(desk(gateway=both.gateways()))
        billers = {biller.policy.preset: biller for biller in billing.billers.all()}
        post = {}
        for preset, biller in billers.items():
            folders[biller.id] = place / preset
            mails = place / preset / "e-mails"
            mails.mkdir(parents=True)
            mailer = f"files://{quote(str(mails.absolute()))}"
            post[biller.id] = desks.enter_context(desk(mailer=mailer))
        staff, collected = Staff(billing, billers, source), Collected(billing, billers, both)
        days = (LAST - FIRST).days + 1
        for n in range(days):
            day = FIRST + n * _ONE_DAY
            collected.morning(day)
            staff.morning(day)
            billing.run(on=day, actor="nightly run")
            staff.afternoon(day)
            collected.afternoon(day)
            billing.remind(on=day, actor="nightly run")
            for biller_id, deliverer in post.items():
                deliverer.deliver(biller=biller_id)
            collected.evening(day)
            bar(n + 1, days)
    with progress(tell("writing", spoken(None, language))) as bar:
        for biller in billers.values():
            _papers(folders[biller.id], biller, url, lambda done: bar(done, None))
    with opened(url) as billing:
        show = _as_json if as_json else _as_tables
        shown = [billers[preset] for preset in ("residents", "clients", "stays")]
        show(billing, shown, collected, language, url, folders)
    return 0


def _papers(folder: Path, biller: Biller, url: str, progress: Callable[[int], None]) -> None:
    """Every invoice as a PDF, and a receipt and a statement of account."""
    with opened(url, base_url=_PAGES) as billing:
        invoices = _all(billing, biller)
        for n, invoice in enumerate(invoices):
            (folder / f"{billing.invoices.sheet(invoice).filename}.pdf").write_bytes(billing.invoices.pdf(invoice))
            progress(n + 1)
        paid = next(invoice for invoice in invoices if invoice.facts.paid.amount > 0 and invoice.customer is not None)
        payment = billing.payments.find(invoice=paid)[0]
        name = billing.payments.receipt(payment).filename
        (folder / f"{name}.pdf").write_bytes(billing.payments.receipt_pdf(payment))
        account = billing.customers.statement_pdf(paid.customer or "", since=FIRST, until=LAST)
        name = filename_of(say("doc.statement", biller.locale), FIRST.isoformat(), LAST.isoformat())
        (folder / f"{name}.pdf").write_bytes(account)


def _as_json(
    billing: Billing,
    billers: list[Biller],
    collected: Collected,
    language: str | None,
    url: str,
    folders: Mapping[str, Path],
) -> None:
    from invoicecore_adapters.cli.demo_collecting import story_data

    told = [
        {
            **summary_data(billing, biller, LAST),
            "folder": str(folders[biller.id]),
            "collected": [story_data(story, biller, spoken(biller, language)) for story in collected.of(biller)],
            "invoices": [
                invoice_data(invoice, biller, LAST, spoken(biller, language)) for invoice in _all(billing, biller)
            ],
        }
        for biller in billers
    ]
    answer({"db": url, "on": LAST, "billers": told})


def _as_tables(
    billing: Billing,
    billers: list[Biller],
    collected: Collected,
    language: str | None,
    url: str,
    folders: Mapping[str, Path],
) -> None:
    from invoicecore_adapters.cli.demo_collecting import show_stories

    screen, names = Screen(), Names(billing)
    for biller in billers:
        locale = spoken(biller, language)
        found = _all(billing, biller)
        when = tell("on_day", locale, day=format_date(LAST, locale))
        screen.title(f"{biller.name}, {when}")
        cards(screen, billing, biller, LAST, locale)
        screen.line()
        picked = _picked(found)
        invoice_table(screen, names, biller, picked, LAST, locale)
        screen.line(tell("of", locale, shown=len(picked), count=len(found)))
        screen.line(tell("written", locale, folder=folders[biller.id]))
        if stories := collected.of(biller):
            screen.line()
            show_stories(screen, stories, biller, locale)
        screen.line()
    screen.line(f"invoicecore --db {url} invoices --on {LAST}")


def _all(billing: Billing, biller: Biller) -> list[Invoice]:
    page = billing.invoices.find(biller=biller, on=LAST, order=Order.CREATED_DESC, limit=1000)
    return list(page.items)


def _picked(found: list[Invoice]) -> list[Invoice]:
    """The newest few of each status, so that every status that there is can be seen."""
    by_status: dict[tuple[Status, bool, bool], list[Invoice]] = {}
    for invoice in found:
        shown = (invoice.status_on(LAST), invoice.partly_paid, invoice.late)
        by_status.setdefault(shown, []).append(invoice)
    picked: list[Invoice] = []
    while len(picked) < min(_SHOWN, len(found)):
        for group in by_status.values():
            if group and len(picked) < _SHOWN:
                picked.append(group.pop(0))
    return sorted(picked, key=lambda invoice: invoice.id, reverse=True)


# --- what staff do ----------------------------------------------------------------------------------------------------


@attrs.define
class Staff:
    """The people at the three desks: what they do on which day, before and after the nightly run."""

    billing: Billing
    billers: Mapping[str, Biller]
    source: Path

    def morning(self, day: date) -> None:
        """What is done before the run: the condominium drafts its dues."""
        condominium = self.billers["residents"]
        if day.day == 2 and day.month > 1:
            document = read(self.source / SOURCES[0])
            self.billing.invoices.draft_for_units(
                biller=condominium,
                title=f"Cotisations mensuelles du syndicat — {_MONTHS[day.month]} 2026",
                total=Money("9850.00", "CAD"),
                shares=shares_of(document, document.biller_of(document.rows[0].row)),
                due=day.replace(day=28),
                on=day,
                actor="Mme Lavoie",
                key=f"demo:dues:{day:%Y-%m}",
            )

    def afternoon(self, day: date) -> None:
        """What is done after the run: publishing, money that came in, and the odd thing of that day."""
        if day.day == 5:
            for biller in (self.billers["residents"], self.billers["clients"]):
                self.billing.invoices.publish_all(biller=biller, on=day, actor="office")
        if day.day in (12, 20, 27):
            for biller in self.billers.values():
                self._money_came_in(biller, day)
        for do in self._on_the_day().get(day, ()):
            do(day)

    def _money_came_in(self, biller: Biller, day: date) -> None:
        """Most pay, some by half, some not at all: told apart by the unit or customer, the same every time."""
        for invoice in self._owed(biller, day):
            payer = self._payer(invoice)
            never = payer % 11 == 3 or (payer % 4 == 1 and day.month >= 5) or invoice.customer is None
            # Who paid half pays the rest with the next one.
            later = invoice.partly_paid and invoice.issued_on is not None and invoice.issued_on.month == day.month
            if never or later or self.billing.collections.find(invoice=invoice):
                continue  # what a provider collects is not recorded by hand
            half = payer % 9 == 5 and not invoice.partly_paid
            amount = Money(round(invoice.balance.amount / 2, 2), biller.currency) if half else None
            self.billing.payments.record(
                invoice,
                amount,
                method=("transfer", "cheque", "cash")[payer % 3],
                reference=f"{biller.policy.preset[:3].upper()}-{day:%m%d}-{payer:02}",
                on=day,
                actor="office",
            )

    def _payer(self, invoice: Invoice) -> int:
        """A number of its own for each payer, from its place in the file: ids are new in every database."""
        if invoice.unit is not None:
            units = [unit.id for unit in self.billing.units.find(biller=invoice.biller)]
            return units.index(invoice.unit)
        customers = [customer.id for customer in self.billing.customers.find(biller=invoice.biller)]
        return customers.index(invoice.customer) if invoice.customer in customers else 0

    def _owed(self, biller: Biller, day: date) -> Iterator[Invoice]:
        found = self.billing.invoices.find(biller=biller, status=(Status.OPEN, Status.OVERDUE), on=day, limit=1000)
        return (invoice for invoice in found.items if invoice.lifecycle is Lifecycle.OPEN)

    # --- one day each -------------------------------------------------------------------------------------------------

    def _on_the_day(self) -> Mapping[date, tuple[Callable[[date], object], ...]]:
        return {
            date(2026, 1, 9): (self._deposit,),
            date(2026, 1, 30): (self._setup_for_the_dentist,),
            date(2026, 2, 3): (self._void_one_draft,),
            date(2026, 2, 6): (partial(self._void_and_reissue, number=31),),
            date(2026, 3, 2): (self._staff_lodge,),
            date(2026, 3, 20): (partial(self._bookings, refs=("A4",)),),
            date(2026, 4, 8): (self._roof,),
            date(2026, 4, 15): (self._rent_goes_up,),
            date(2026, 5, 2): (partial(self._bookings, refs=("P1", "A7")),),
            date(2026, 5, 22): (self._refund_in_part,),
            date(2026, 6, 1): (self._scouts,),
            date(2026, 6, 5): (self._overpayment,),
            date(2026, 6, 26): (partial(self._bookings, refs=("A5",), publish=False),),
            date(2026, 6, 29): (self._advice,),
        }

    def _deposit(self, day: date) -> None:
        self.billing.credits.deposit(self._client("Okanagan"), Money("400.00", "CAD"), note="retainer", on=day)

    def _setup_for_the_dentist(self, day: date) -> None:
        draft = self.billing.invoices.draft_from_charges(self._client("Raman"), on=day, actor="office")
        self.billing.invoices.publish(draft, on=day, actor="office")

    def _advice(self, day: date) -> None:
        draft = self.billing.invoices.draft_from_charges(self._client("Ferris"), title="Advice", on=day, actor="office")
        self.billing.invoices.publish(draft, on=day, actor="office")

    def _void_one_draft(self, day: date) -> None:
        # Nobody lives there yet, and the buyer has paid the notary.
        page = self.billing.invoices.find(biller=self.billers["residents"], unit="305", status=Status.DRAFT, on=day)
        self.billing.invoices.void(page.items[0], on=day, actor="Mme Lavoie", reason="réglée chez le notaire")

    def _void_and_reissue(self, day: date, number: int) -> None:
        wrong = self.billing.invoices.get(f"INV-{number:06}", biller=self.billers["residents"])
        self.billing.invoices.void(wrong, on=day, actor="Mme Lavoie", reason="montant erroné")
        again = self.billing.invoices.draft(
            biller=wrong.biller,
            unit=wrong.unit,
            title=wrong.title,
            amount=wrong.total,
            due=wrong.due_on,
            description=f"Remplace la facture {wrong.number}",
            on=day,
        )
        self.billing.invoices.publish(again, notify=True, on=day, actor="Mme Lavoie")

    def _roof(self, day: date) -> None:
        due = date(2026, 7, 15)
        self.billing.invoices.draft_for_units(
            biller=self.billers["residents"],
            units=["301", "302", "303", "304", "306", "307", "308"],
            title="Cotisation spéciale — Réfection de la toiture",
            total=Money("14000.00", "CAD"),
            due=due,
            on=day,
            actor="Mme Lavoie",
        )

    def _staff_lodge(self, day: date) -> None:
        for lease in self.billing.leases.find(biller=self.billers["stays"]):
            if lease.method.value == "manual":
                self.billing.leases.generate(lease, on=day, actor="office")

    def _rent_goes_up(self, day: date) -> None:
        customer = self._guest("Margaret")
        for lease in self.billing.leases.find(customer=customer):
            self.billing.leases.change_rent(lease, Money("640.00", "GBP"), date(2026, 6, 15), actor="office")

    def _bookings(self, day: date, refs: tuple[str, ...], publish: bool = True) -> None:
        units = {unit.id: unit.number for unit in self.billing.units.find(biller=self.billers["stays"])}
        for booking in self.billing.bookings.find(biller=self.billers["stays"]):
            if units.get(booking.unit or "") in refs:
                draft = self.billing.invoices.draft_booking(booking, due=booking.arrives, on=day, actor="office")
                if publish:
                    self.billing.invoices.publish(draft, on=day, actor="office")

    def _scouts(self, day: date) -> None:
        for group in self.billing.groups.find(biller=self.billers["stays"]):
            for draft in self.billing.invoices.draft_group(group, due=date(2026, 6, 12), on=day, actor="office"):
                invoice = self.billing.invoices.publish(draft, on=day, actor="office")
                self.billing.payments.record(invoice, Money("100.00", "GBP"), method="cheque", on=day, actor="office")

    def _refund_in_part(self, day: date) -> None:
        page = self.billing.invoices.find(biller=self.billers["residents"], unit="102", status=Status.PAID, on=day)
        self.billing.payments.refund(
            page.items[0], Money("25.00", "CAD"), reason="rabais oublié", on=day, actor="Mme Lavoie"
        )

    def _overpayment(self, day: date) -> None:
        for invoice in self._owed(self.billers["clients"], day):
            generous = invoice.balance + Money("50.00", "CAD")
            self.billing.payments.record(invoice, generous, method="cheque", rest="credit", on=day, actor="office")
            return

    def _client(self, name: str) -> str:
        return self._named(self.billers["clients"], name)

    def _guest(self, name: str) -> str:
        return self._named(self.billers["stays"], name)

    def _named(self, biller: Biller, name: str) -> str:
        return next(one.id for one in self.billing.customers.find(biller=biller) if name in one.name)
