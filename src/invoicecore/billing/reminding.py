"""Reminding: unpaid invoices are brought to mind step by step, and late ones cost what the policy says (P3, S5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import partial

import attrs

from invoicecore.billing.desk import Change, Desk, acting, again
from invoicecore.billing.issuing import issue, wishes
from invoicecore.billing.notifying import queue
from invoicecore.billing.outcomes import Outcome, Report
from invoicecore.charges import Charge
from invoicecore.errors import Busy, InvoicecoreError, ObserverFailed, PluginError, Refused, StoreError
from invoicecore.invoices import Invoice, InvoiceKind, Item, Status, as_lines, draft, due_by_terms
from invoicecore.messages import Message, MessageKind
from invoicecore.money import Money, total
from invoicecore.parties import Biller, Customer, LateFee, yes_or_no
from invoicecore.ports import InvoiceQuery, KeyUse, Order, Reader
from invoicecore.reminders import FEE_CHARGE, fee_amount, fees_reached, remindable, step_name, step_reached
from invoicecore.wording import say

PAGE = 500  # invoices a transaction
# A reminder leaves the invoice's version as it is, so its place on the timeline is made of its step or its count.
_REMINDED, _FEE = 1_000, 10_000


@attrs.define(kw_only=True)
class _Page:
    """What one transaction will write and report; `last` is where the next page goes on, None at the end."""

    reminders: list[tuple[Invoice, Customer, int]] = attrs.Factory(list)
    fees: list[tuple[Invoice, Customer, int, Money]] = attrs.Factory(list)
    outcomes: list[tuple[str, Outcome]] = attrs.Factory(list)
    last: tuple[date, str] | None = None


class Reminding:
    """One call of `Billing.remind`: biller by biller, page by page, one transaction a page."""

    def __init__(
        self, desk: Desk, *, on: date | None, dry_run: bool, actor: str | None, progress: Callable[[int], None] | None
    ) -> None:
        self._desk = desk
        self._on = on
        self._actor = acting(actor)
        self._progress = progress
        self._unheard: list[ObserverFailed] = []
        self._at = desk.clock.now()  # read once: every biller's local date follows from this instant (M1)
        self.report = Report(dry_run=yes_or_no(dry_run, "dry_run"))

    def remind_each(self, billers: Iterable[Biller]) -> None:
        """Remind for one biller after the other; one that a hook refuses or another writer keeps stops no other (R18)."""
        for biller in billers:
            try:
                self.remind(biller)
            except (Refused, PluginError, Busy) as error:
                self.report.tell("failed", Outcome(code=error.code, text=str(error), biller=biller.id))

    def remind(self, biller: Biller) -> None:
        """Queue the reminders and charge the late fees of one biller that are due on its day."""
        if not biller.policy.reminders and biller.policy.late_fee is None:
            return
        on = self._desk.day(biller, self._on, self._at)
        after: tuple[date, str] | None = None
        while True:
            page = again(partial(self._view, biller, on, after))
            if self.report.dry_run:
                _tell(page, biller, on)
            elif page.reminders or page.fees:
                page = self._write(biller, on, after)
            for kind, outcome in page.outcomes:
                self.report.tell(kind, outcome)
            if self._progress is not None:
                self._progress(self.report.created.count)
            if page.last is None:
                break
            after = page.last
        for error in self._unheard:
            self.report.tell("warnings", Outcome(code=error.code, text=str(error), biller=biller.id))
        self._unheard.clear()

    def _view(self, biller: Biller, on: date, after: tuple[date, str] | None) -> _Page:
        with self._desk.view() as tx:
            return _decide(tx, biller, on, after)

    def _write(self, biller: Biller, on: date, after: tuple[date, str] | None) -> _Page:
        try:
            page, written = again(partial(self._change, biller, on, after))
        except (StoreError, PluginError, Refused):
            raise
        except InvoicecoreError:
            # Another call came between, or one invoice is at fault: redo the page one by one (N4).
            return self._one_by_one(biller, on, after)
        for made in written:
            self.report.keep(made)
        _tell(page, biller, on)
        return page

    def _change(
        self, biller: Biller, on: date, after: tuple[date, str] | None, only: str | None = None
    ) -> tuple[_Page, list[Invoice]]:
        with self._desk.change("remind", biller.id, on=on, actor=self._actor, unheard=self._unheard) as change:
            page = _decide(change.tx, change.biller, on, after, only=only)
            return page, _commit(change, page)

    def _one_by_one(self, biller: Biller, on: date, after: tuple[date, str] | None) -> _Page:
        done = _Page()
        whole = again(partial(self._view, biller, on, after))
        done.last = whole.last
        due = dict.fromkeys([each[0].id for each in whole.reminders] + [each[0].id for each in whole.fees])
        done.outcomes = [told for told in whole.outcomes if told[1].invoice not in due]
        for invoice in due:
            try:
                alone, written = again(partial(self._change, biller, on, after, only=invoice))
                for made in written:
                    self.report.keep(made)
                _tell(alone, biller, on)
                done.outcomes = [*done.outcomes, *alone.outcomes]
            except (StoreError, PluginError, Refused):
                raise
            except Exception as error:  # one bad invoice never stops the rest
                done.outcomes = [*done.outcomes, ("failed", _failed(biller, invoice, error))]
        return done


def _decide(tx: Reader, biller: Biller, on: date, after: tuple[date, str] | None, only: str | None = None) -> _Page:
    """What is due for one page of unpaid invoices, by due date."""
    policy, fee = biller.policy, biller.policy.late_fee
    soonest = min([*policy.reminders[:1], *([fee.after_days] if fee is not None else [])], default=None)
    if soonest is None:  # the policy was edited meanwhile
        return _Page()
    wanted = InvoiceQuery(
        biller=biller.id,
        on=on,
        status=frozenset({Status.OPEN, Status.OVERDUE}),
        due_by=_earlier(on, soonest),
        order=Order.DUE,
        after=after,
        limit=PAGE,
    )
    found = tx.invoices(wanted)
    page = _Page(last=(found[-1].due_on, found[-1].id) if len(found) == PAGE else None)
    if only is not None:
        found = [invoice for invoice in found if invoice.id == only]
    unpaid = [invoice for invoice in found if remindable(invoice)]
    told = _told(tx, biller, unpaid)
    payers = tx.get(Customer, biller.id, {invoice.customer for invoice in unpaid if invoice.customer})
    fees = {each.id: fees_reached(each, fee, on) for each in unpaid} if fee is not None and biller.payments else {}
    keys = [_fee_key(each, n) for each in unpaid for n in range(1, fees.get(each.id, 0) + 1)]
    before = tx.get(KeyUse, biller.id, keys)
    for invoice in unpaid:
        payer = payers.get(invoice.customer or "")
        try:
            _remind(page, invoice, payer, biller, on, told.get(invoice.id))
            if fee is not None and payer is not None:
                _charge(page, invoice, payer, biller, fee, fees.get(invoice.id, 0), before)
        except Exception as error:  # one bad invoice never stops the rest (N4)
            page.outcomes.append(("failed", _failed(biller, invoice.id, error)))
    return page


def _failed(biller: Biller, invoice: str, error: Exception) -> Outcome:
    return Outcome(code="failed", text=f"{type(error).__name__}: {error}", biller=biller.id, invoice=invoice)


def _told(tx: Reader, biller: Biller, invoices: Sequence[Invoice]) -> dict[str, int]:
    """The latest step each invoice was reminded of."""
    latest: dict[str, int] = {}
    for message in tx.find(Message, biller.id, {"invoice": [invoice.id for invoice in invoices]}):
        if message.kind is MessageKind.REMINDER and message.about is not None:
            latest[message.invoice] = max(int(message.about), latest.get(message.invoice, int(message.about)))
    return latest


def _remind(
    page: _Page, invoice: Invoice, payer: Customer | None, biller: Biller, on: date, latest: int | None
) -> None:
    step = step_reached(invoice, biller.policy.reminders, on)
    if step is None:
        return
    if latest is not None and latest >= step:
        page.outcomes.append(("existing", _outcome("reminded", invoice, biller, step=step_name(latest))))
    elif payer is None or payer.email is None:
        page.outcomes.append(("skipped", _outcome("no_address_to_notify", invoice, biller)))
    elif payer.notify is False:
        page.outcomes.append(("skipped", _outcome("no_wish_to_be_told", invoice, biller, name=payer.name)))
    else:
        page.reminders.append((invoice, payer, step))


def _charge(
    page: _Page,
    invoice: Invoice,
    payer: Customer,
    biller: Biller,
    fee: LateFee,
    count: int,
    before: Mapping[str, KeyUse],
) -> None:
    uses = {n: before.get(_fee_key(invoice, n)) for n in range(1, count + 1)}
    charged = total([Money(use.results[1], invoice.currency) for use in uses.values() if use], invoice.currency)
    fresh = 0
    for n in (n for n, use in uses.items() if use is None):
        amount = fee_amount(invoice, fee, charged)
        if amount.amount <= 0:
            break
        charged, fresh = charged + amount, fresh + 1
        page.fees.append((invoice, payer, n, amount))
    if fresh > biller.policy.catch_up_warning:
        page.outcomes.append(("warnings", _outcome("many_fees", invoice, biller, count=fresh)))


def _commit(change: Change, page: _Page) -> list[Invoice]:
    """Write a page: reminders to the outbox, fees as charges or published invoices; those invoices."""
    for step in sorted({step for _, _, step in page.reminders}):
        told = [(invoice, payer) for invoice, payer, its in page.reminders if its == step]
        queue(change, MessageKind.REMINDER, told, step_name(step))
    for invoice, _, step in page.reminders:
        change.note(invoice.id, invoice.version, "reminded", step_name(step), step=_REMINDED + step)
    for invoice, _, n, amount in page.fees:
        change.note(invoice.id, invoice.version, "late fee", str(amount.amount), step=_FEE + n)
    drafts: list[Invoice] = []
    payers: dict[str, Customer] = {}
    charges: list[Charge] = []
    uses: list[KeyUse] = []
    invoice_ids, charge_ids = change.ids("inv", len(page.fees)), change.ids(FEE_CHARGE, len(page.fees))
    as_invoice = change.biller.policy.late_fee is not None and change.biller.policy.late_fee.bill_as == "invoice"
    for (invoice, payer, n, amount), invoice_id, charge_id in zip(page.fees, invoice_ids, charge_ids, strict=True):
        title = say("late_fee", payer.locale or change.biller.locale, number=invoice.reference)
        if as_invoice:
            drafts.append(_fee_invoice(change, invoice, payer, title, amount, invoice_id))
            payers[invoice_id] = payer
        else:
            charges.append(
                Charge(
                    id=charge_id,
                    biller=change.biller.id,
                    customer=payer.id,
                    description=title,
                    unit_price=amount,
                    on=change.on,
                )
            )
            change.note(charge_id, 1, "added")
        made = invoice_id if as_invoice else charge_id
        uses.append(
            KeyUse(
                id=_fee_key(invoice, n),
                biller=change.biller.id,
                action="remind",
                digest="late fee",
                results=(made, str(amount.amount)),
            )
        )
    change.tx.add(uses)
    change.tx.add(charges)
    return issue(change, drafts, lambda fee, who: wishes(change.biller, fee, who), payers=payers, new=True)


def _fee_invoice(change: Change, invoice: Invoice, payer: Customer, title: str, amount: Money, id: str) -> Invoice:
    currency = change.biller.currency
    return draft(
        id=id,
        biller=change.biller.id,
        kind=InvoiceKind.FEE,
        currency=currency,
        title=title,
        lines=as_lines([Item(description=title, unit_price=amount)], currency=currency),
        on=change.on,
        due=due_by_terms(change.biller.policy, change.on),
        notify=True,
        customer=payer.id,
        unit=invoice.unit,
    )


def _tell(page: _Page, biller: Biller, on: date) -> None:
    fee = biller.policy.late_fee
    due = due_by_terms(biller.policy, on) if fee is not None and fee.bill_as == "invoice" else None
    for invoice, _, step in page.reminders:
        page.outcomes.append(("created", _outcome("reminder", invoice, biller, step=step_name(step))))
    for invoice, payer, _, amount in page.fees:
        text = say("late_fee", biller.locale, number=invoice.reference)
        page.outcomes.append(
            (
                "created",
                Outcome(
                    code="late_fee",
                    text=text,
                    biller=biller.id,
                    customer=payer.id,
                    amount=amount,
                    due_on=due,
                    invoice=invoice.id,
                    data={"number": invoice.reference},
                ),
            )
        )


def _outcome(code: str, invoice: Invoice, biller: Biller, **data: str | int) -> Outcome:
    data["number"] = invoice.reference
    return Outcome(
        code=code,
        text=say(code, biller.locale, **data),
        biller=biller.id,
        customer=invoice.customer,
        lease=invoice.lease,
        amount=invoice.balance,
        due_on=invoice.due_on,
        invoice=invoice.id,
        data=data,
    )


def _fee_key(invoice: Invoice, n: int) -> str:
    return f"late fee/{invoice.id}/{n}"


def _earlier(day: date, days: int) -> date:
    try:
        return day - timedelta(days=days)
    except OverflowError:
        return date.max if days < 0 else date.min
