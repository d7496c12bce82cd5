"""The billing run: every lease period and client month that is due by a day, each invoiced once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import date
from functools import partial
from typing import Protocol

import attrs

from invoicecore import charges as charge_rules
from invoicecore import leases as lease_rules
from invoicecore.billing.charging import charges_draft
from invoicecore.billing.desk import Change, Desk, acting, again, uncollected
from invoicecore.billing.drafting import draft_references
from invoicecore.billing.ids import id_stream
from invoicecore.billing.issuing import issue, no_method, out_of_order, wishes
from invoicecore.billing.leasing import lease_draft, wants_mail
from invoicecore.billing.outcomes import Outcome, Report, about
from invoicecore.billing.scheduling import collected_by, lacking
from invoicecore.billing.sharding import Shard
from invoicecore.charges import Charge, ChargeState, cycle_due, next_cycle_after
from invoicecore.errors import Busy, NotAllowed, NothingToBill, ObserverFailed, PluginError, Refused, StoreError
from invoicecore.invoices import Invoice, InvoiceKind, number_series
from invoicecore.leases import Lease
from invoicecore.parties import Biller, Customer, InvoiceMethod, yes_or_no
from invoicecore.payments import Facts, no_facts
from invoicecore.ports import InvoiceQuery, Reader
from invoicecore.wording import format_date, kind_name, say

PAGE = 1000  # leases a transaction
SHOWN = 20  # of what was there already: it is counted, and some of it named, but the run is not about it
PAGE_INVOICES = 4000  # and the invoices after which a page stops early, so that catching up years stays flat in memory


@attrs.define(kw_only=True)
class _Page:
    """What one transaction of the run will write and report; `last` is where the next page goes on, if there is `more`."""

    drafts: list[Invoice] = attrs.Factory(list)
    payers: dict[str, Customer] = attrs.Factory(dict)
    methods: dict[str, InvoiceMethod] = attrs.Factory(dict)
    leases: list[Lease] = attrs.Factory(list)
    customers: list[Customer] = attrs.Factory(list)
    charges: list[Charge] = attrs.Factory(list)
    outcomes: list[tuple[str, Outcome]] = attrs.Factory(list)
    refused: NotAllowed | None = None  # why nothing may be issued on this day
    last: tuple[date, str] | None = None
    met: int = 0  # leases or clients gone through
    more: bool = False


class _Decide(Protocol):
    def __call__(
        self, tx: Reader, biller: Biller, on: date, after: tuple[date, str] | None, *, limit: int, careful: bool = False
    ) -> _Page: ...


class Running:
    """One call of `Billing.run`: biller by biller, page by page, one transaction a page."""

    def __init__(
        self, desk: Desk, *, on: date | None, dry_run: bool, actor: str | None, progress: Callable[[int], None] | None
    ) -> None:
        self._desk = desk
        self._on = on
        self._actor = acting(actor)
        self._progress = progress
        self._unheard: list[ObserverFailed] = []
        self._tried: _Page | None = None  # what the last transaction was about
        self._at = desk.clock.now()  # read once: every biller's local date follows from this instant (M1)
        self.report = Report(dry_run=yes_or_no(dry_run, "dry_run"))

    def bill(self, biller: Biller) -> None:
        """Invoice everything of one biller that is due on its day."""
        on = self._desk.day(biller, self._on, self._at)
        before = self.report.created.count
        for decide in (self._cycles, self._leases):
            self._pages(decide, biller, on)
        self._count_existing(biller, _claims(biller, on), self.report.created.count - before)
        self._tell_unheard(biller)

    def bill_shard(self, biller: Biller, shard: Shard) -> None:
        """Invoice what is due of one part of a biller's run."""
        on, claims = shard.on, _claims(biller, shard.on)
        if shard.leases is None:
            self._pages(self._cycles, biller, on)
            self._count_existing(
                biller, attrs.evolve(claims, kinds=frozenset({InvoiceKind.CHARGES})), self.report.created.count
            )
        else:
            met = self._pages(partial(self._leases, among=shard.leases), biller, on)
            # Whoever met all that were due invoiced all of them: it need not look among its leases' invoices for
            # those that another made.
            if met < shard.due:
                self._count_existing(biller, attrs.evolve(claims, leases=shard.leases), self.report.created.count)
        self._tell_unheard(biller)

    def bill_each(self, billers: Iterable[Biller]) -> None:
        """Bill one after the other: one that a hook refuses or another writer keeps is reported and stops no other (R18).

        Raises what was raised when it stopped them all.
        """
        count, refusals = 0, []
        for count, biller in enumerate(billers, 1):  # noqa: B007  # the last count is needed below
            try:
                self.bill(biller)
            except (Refused, PluginError, Busy) as error:
                refusals.append(error)
                self.report.tell("failed", Outcome(code=error.code, text=str(error), biller=biller.id))
        if refusals and len(refusals) == count:
            raise refusals[0]

    def _pages(self, decide: _Decide, biller: Biller, on: date) -> int:
        # Look first without the writer's lock: on most days most billers have nothing due.
        more = again(lambda: self._view(decide, biller, on, None, limit=1))[0].last is not None
        after: tuple[date, str] | None = None
        met = 0
        while more:
            with uncollected():
                page = self._page(decide, biller, on, after)
                after, more = page.last, page.more
                met += page.met
                self._tried = None
                del page  # before the collector looks, which would go through all that is still there
            if self._progress is not None:
                self._progress(self.report.created.count)
        return met

    def _page(self, decide: _Decide, biller: Biller, on: date, after: tuple[date, str] | None) -> _Page:
        if self.report.dry_run or not biller.payments:
            page, drafts = again(partial(self._view, decide, biller, on, after, limit=PAGE))
            self._report(biller, page, drafts)
            return page
        try:
            return self._write(decide, biller, on, after, limit=PAGE)
        except (StoreError, PluginError, Refused):
            raise
        except Exception:  # whatever one lease broke, the page was rolled back: redo it item by item (N4)
            return self._item_by_item(decide, biller, on, after)

    def _view(
        self, decide: _Decide, biller: Biller, on: date, after: tuple[date, str] | None, *, limit: int
    ) -> tuple[_Page, list[Invoice]]:
        with self._desk.view() as tx:
            page = decide(tx, biller, on, after, limit=limit)
            return page, _warned(tx, biller, page)

    def _write(
        self,
        decide: _Decide,
        biller: Biller,
        on: date,
        after: tuple[date, str] | None,
        *,
        limit: int,
        careful: bool = False,
    ) -> _Page:
        # Who takes the numbers of a series is alone until the end, also with its customers' credit. Two years have two
        # series, and on New Year's Eve two workers may be at one credit.
        shared = not (biller.policy.yearly_numbers and biller.policy.apply_credit)

        def write() -> tuple[_Page, list[Invoice]]:
            self._tried = None
            with self._desk.change(
                "run", biller.id, on=on, actor=self._actor, unheard=self._unheard, shared=shared
            ) as change:
                self._tried = page = decide(change.tx, change.biller, on, after, limit=limit, careful=careful)
                return page, _commit(change, page)

        # What an interrupted commit did write has moved its leases on, and is counted among the existing.
        page, written = again(write)
        self._report(biller, page, written)
        return page

    def _item_by_item(self, decide: _Decide, biller: Biller, on: date, after: tuple[date, str] | None) -> _Page:
        page = _Page(last=after, more=True)
        for _ in range(PAGE):
            try:
                one = self._write(decide, biller, on, page.last, limit=1, careful=True)
            except (StoreError, PluginError, Refused):
                raise
            except Exception as error:
                # What was claimed is what failed; a look would also find what another worker has.
                one = self._tried or again(partial(self._view, decide, biller, on, page.last, limit=1))[0]
                if one.last is not None:
                    self.report.tell("failed", _failed(biller, one.last[1], error))
            if one.last is None:
                page.more = False
                return page
            page.last = one.last
            page.met += one.met
        return page

    def _leases(
        self,
        tx: Reader,
        biller: Biller,
        on: date,
        after: tuple[date, str] | None,
        *,
        limit: int,
        careful: bool = False,
        among: tuple[str, str] | None = None,
    ) -> _Page:
        found = tx.due_leases(biller.id, on, after=after, limit=limit, among=among)
        page = _Page(more=len(found) == limit, refused=_refused(tx, biller, on) if found else None)
        payers = tx.get(Customer, biller.id, {lease.customer for lease in found})
        ids, facts = id_stream(biller.id, "inv", self._desk.clock.now()), no_facts(biller.currency)
        for lease in found:
            page.last = (lease.next_run_on or on, lease.id)
            page.met += 1
            if not biller.payments:
                page.outcomes.append(
                    ("skipped", _outcome("payments_off", biller, lease=lease.id, customer=lease.customer))
                )
                continue
            try:
                taken = _taken(tx, lease, on) if careful else frozenset()
                _bill_lease(page, lease, payers[lease.customer], biller, on, ids, facts, taken)
            except Exception as error:  # one bad lease never stops the rest
                page.outcomes.append(("failed", _failed(biller, lease.id, error)))
            if len(page.drafts) >= PAGE_INVOICES and page.last[1] != found[-1].id:
                page.more = True
                break
        return page

    def _cycles(
        self, tx: Reader, biller: Biller, on: date, after: tuple[date, str] | None, *, limit: int, careful: bool = False
    ) -> _Page:
        found = tx.due_customers(biller.id, on, after=after, limit=limit)
        page = _Page(more=len(found) == limit, refused=_refused(tx, biller, on) if found else None)
        owed: dict[str, list[Charge]] = {}
        if found and biller.payments:
            wanted = {"customer": [who.id for who in found], "state": ChargeState.OPEN.value}
            for charge in tx.find(Charge, biller.id, wanted):
                owed.setdefault(charge.customer, []).append(charge)
        ids = id_stream(biller.id, "inv", self._desk.clock.now())
        for customer in found:
            page.last = (customer.next_cycle_on or on, customer.id)
            page.met += 1
            if not biller.payments:
                page.outcomes.append(("skipped", _outcome("payments_off", biller, customer=customer.id)))
                continue
            try:
                months = _months(tx, customer, on) if careful else frozenset()
                _bill_cycle(page, customer, owed.get(customer.id, []), biller, on, ids, months)
            except Exception as error:  # one bad client never stops the rest
                page.outcomes.append(("failed", _failed(biller, customer.id, error)))
        return page

    def _count_existing(self, biller: Biller, wanted: InvoiceQuery, made: int) -> None:
        # What claims a period or a month on this day and was not made by this run: by one before, or beside it.
        if self.report.dry_run:
            made = 0

        def look() -> tuple[list[Invoice], int]:
            with self._desk.view() as tx:
                found = tx.invoices(wanted)
                return found, tx.count(wanted) if len(found) == SHOWN else len(found)

        found, count = again(look)
        told = self.report.existing.count
        own = {outcome.invoice for outcome in self.report.created}
        for invoice in found:
            if invoice.id not in own and self.report.existing.count - told < count - made:
                self.report.tell("existing", about(invoice, "already_there", biller.locale))
        self.report.existing.count = told + max(count - made, 0)

    def _tell_unheard(self, biller: Biller) -> None:
        for error in self._unheard:
            self.report.tell("warnings", Outcome(code=error.code, text=str(error), biller=biller.id))
        self._unheard.clear()

    def _report(self, biller: Biller, page: _Page, written: Sequence[Invoice]) -> None:
        for kind, outcome in page.outcomes:
            self.report.tell(kind, outcome)
        for invoice in written:
            self.report.add(invoice, biller.locale)
            for caveat in invoice.warnings:
                if caveat.code == "no_method":
                    told = attrs.evolve(about(invoice, "created", biller.locale), code=caveat.code, text=caveat.text)
                    self.report.tell("warnings", told)


def _claims(biller: Biller, on: date) -> InvoiceQuery:
    return InvoiceQuery(biller=biller.id, on=on, drafted_on=on, claims=True, limit=SHOWN)


def _bill_lease(
    page: _Page,
    lease: Lease,
    payer: Customer,
    biller: Biller,
    on: date,
    ids: Iterator[str],
    facts: Facts,
    taken: Collection[int],
) -> None:
    policy = biller.policy
    drafts: list[Invoice] = []
    outcomes: list[tuple[str, Outcome]] = []
    index = lease.next_period - 1
    for index, billed in lease_rules.due_periods(lease, policy, on):  # the last one is needed below
        if index in taken:
            outcomes.append(("existing", _outcome("already_there", biller, lease=lease.id, customer=payer.id)))
            continue
        aligned = lease_rules.aligned_period(lease, index)
        try:
            drafts.append(lease_draft(lease, payer, biller, index, aligned, billed, id=next(ids), on=on, facts=facts))
        except NothingToBill:
            outcomes.append(("skipped", _outcome("nothing_due", biller, lease=lease.id, customer=payer.id)))
    if drafts and page.refused is not None:
        raise page.refused
    if len(drafts) > policy.catch_up_warning:
        text = say("many_periods", biller.locale, count=len(drafts))
        told = Outcome(code="many_periods", text=text, biller=biller.id, lease=lease.id, data={"count": len(drafts)})
        outcomes.append(("warnings", told))
    if drafts and policy.run_issues and payer.email is None and lease.method is InvoiceMethod.EMAIL_PDF:
        outcomes.append(("warnings", _outcome("no_email", biller, lease=lease.id, customer=payer.id, name=payer.name)))
    moved = lease_rules.moved_on(lease, policy, index + 1, invoiced=bool(drafts))
    # Nothing of a lease is put on the page before all of it went well.
    page.leases.append(moved)
    page.outcomes += outcomes
    for invoice in drafts:
        page.drafts.append(invoice)
        page.payers[invoice.id] = payer
        page.methods[invoice.id] = lease.method


def _bill_cycle(
    page: _Page,
    customer: Customer,
    owed: Sequence[Charge],
    biller: Biller,
    on: date,
    ids: Iterator[str],
    taken: Collection[date],
) -> None:
    day = cycle_due(customer, on)
    if day is None:
        return
    due = sorted((charge for charge in owed if charge.on < day), key=lambda charge: (charge.on, charge.id))
    outcomes: list[tuple[str, Outcome]] = []
    invoice = None
    month = date(day.year, day.month, 1)
    if due and month in taken:  # these charges wait for the next month (C9)
        outcomes.append(("existing", _outcome("already_there", biller, customer=customer.id)))
    elif due:
        locale = customer.locale or biller.locale
        title = f"{kind_name('charges', locale)} - {format_date(day, locale)}"
        try:
            invoice = charges_draft(biller, customer, due, id=next(ids), on=on, title=title, cycle=month)
        except NothingToBill:
            due = []
    if invoice is not None and page.refused is not None:
        raise page.refused
    if invoice is None and not outcomes:
        outcomes.append(("skipped", _outcome("nothing_due", biller, customer=customer.id)))
    if invoice is not None:
        page.drafts.append(invoice)
        page.payers[invoice.id] = customer
        state = ChargeState.INVOICED if biller.policy.run_issues else ChargeState.DRAFTED
        page.charges += charge_rules.on_invoice(due, invoice.id, state)
    page.customers.append(attrs.evolve(customer, next_cycle_on=next_cycle_after(customer, day)))
    page.outcomes += outcomes


def _warned(tx: Reader, biller: Biller, page: _Page) -> list[Invoice]:
    """The drafts of a dry run, with what the run would warn of: debits that nobody can make."""
    if not biller.policy.run_issues:
        return page.drafts
    without = lacking(collected_by(tx, biller, page.drafts, page.methods), page.methods)
    caveat = no_method(biller)
    return [attrs.evolve(each, warnings=(caveat,)) if each.id in without else each for each in page.drafts]


def _commit(change: Change, page: _Page) -> list[Invoice]:
    biller = change.biller
    if biller.policy.run_issues:

        def wants(invoice: Invoice, payer: Customer | None) -> bool:
            method = page.methods.get(invoice.id)
            return wants_mail(method, biller, invoice, payer) if method is not None else wishes(biller, invoice, payer)

        written = issue(change, page.drafts, wants, payers=page.payers, methods=page.methods, new=True)
    else:
        references = draft_references(change, len(page.drafts)) if page.drafts else []
        written = [attrs.evolve(i, draft_reference=r) for i, r in zip(page.drafts, references, strict=True)]
        change.tx.add(written)
        for invoice in written:
            change.note(invoice.id, invoice.version, "drafted")
    change.tx.replace(page.charges)
    change.tx.replace(page.leases)
    change.tx.replace(page.customers)
    return written


def _taken(tx: Reader, lease: Lease, on: date) -> frozenset[int]:
    claimed = tx.invoices(InvoiceQuery(biller=lease.biller, on=on, lease=lease.id))
    return frozenset(invoice.period_index for invoice in claimed if invoice.period_index is not None)


def _months(tx: Reader, customer: Customer, on: date) -> frozenset[date]:
    kinds = frozenset({InvoiceKind.CHARGES})
    made = tx.invoices(InvoiceQuery(biller=customer.biller, on=on, customers=(customer.id,), kinds=kinds, claims=True))
    return frozenset(invoice.cycle for invoice in made if invoice.cycle is not None)


def _refused(tx: Reader, biller: Biller, on: date) -> NotAllowed | None:
    # Judged before anything is written, so that a dry run answers the same and no page is rolled back for it (N4).
    if not biller.policy.run_issues:
        return None
    return out_of_order(biller.policy, tx.counter(biller.id, number_series(biller.policy, on)), on)


def _outcome(
    code: str, biller: Biller, *, lease: str | None = None, customer: str | None = None, **data: str | int
) -> Outcome:
    text = say(code, biller.locale, **data)
    return Outcome(code=code, text=text, biller=biller.id, lease=lease, customer=customer, data=data)


def _failed(biller: Biller, subject: str, error: Exception) -> Outcome:
    lease = subject if "_lea_" in subject else None
    text = f"{type(error).__name__}: {error}"
    return Outcome(code="failed", text=text, biller=biller.id, lease=lease, customer=None if lease else subject)
