"""Publishing: drafts become numbered, locked and payable, one by one or in bulk; and voiding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import partial

import attrs

from invoicecore.altering import altered
from invoicecore.billing.desk import Change, Desk, again, biller_in, one, payer_of, uncollected
from invoicecore.billing.drafting import reach
from invoicecore.billing.drafting import release_charges as open_again
from invoicecore.billing.issuing import due_passed, issue, move_credit, out_of_order, payers_of, wishes
from invoicecore.billing.scheduling import close_pages
from invoicecore.credits import CreditKind
from invoicecore.errors import InvoicecoreError, ObserverFailed, PluginError, Refused, StoreError
from invoicecore.invoices import (
    Caveat,
    Invoice,
    Lifecycle,
    Status,
    check,
    due_at_publish,
    format_number,
    number_series,
    void,
)
from invoicecore.money import Money, minor, unbounded
from invoicecore.parties import Biller, BillTo, Customer, Unit, bill_to, text, yes_or_no
from invoicecore.payments import after_credit
from invoicecore.periods import as_date
from invoicecore.ports import InvoiceQuery, Order, Reader

PAGE = 500  # drafts a transaction: large enough that the commit's cost vanishes, small enough to let others in


@attrs.frozen(kw_only=True)
class Preview:
    """What publishing would do: the expected number is not reserved (R9)."""

    invoice: Invoice
    reference: str
    expected_number: str
    amount: Money
    bill_to: BillTo | None
    due_on: date
    can_email: bool
    suggest_notify: bool
    warnings: tuple[Caveat, ...]


@attrs.frozen(kw_only=True)
class BulkPreview:
    """What publish_all would publish: counts and the sum to confirm (R11)."""

    count: int
    total: Money
    emails: int
    without_email: int


@attrs.frozen(kw_only=True)
class Published:
    """What became of one draft in a bulk publish: its invoice, or the error that kept it a draft (R11, N4)."""

    reference: str
    invoice: Invoice
    error: InvoicecoreError | None = None


@attrs.frozen(kw_only=True)
class BulkReport:
    """What happened to each draft (R11). `published` and `failed` keep the order of the drafts."""

    published: tuple[Published, ...]
    failed: tuple[Published, ...]


class Publishing:
    """The publishing part of `billing.invoices`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def preview_publish(self, invoice: Invoice | str, *, due: date | None = None, on: date | None = None) -> Preview:
        """What publishing this draft would do, to show before it is confirmed (R9). Raises what publish would (N1)."""
        biller, ref = self._desk.owner("invoice", invoice)
        with self._desk.view() as tx:
            owner = biller_in(tx, biller)
            day = self._desk.day(owner, on)
            draft = one(tx, Invoice, biller, ref)
            check("publish", draft, owner.policy, day)
            payer = payer_of(tx, draft)
            due_on = due_at_publish(draft, owner.policy, on=day, due=as_date(due, "due") if due is not None else None)
            counter = tx.counter(biller, number_series(owner.policy, day))
            if (refused := out_of_order(owner.policy, counter, day)) is not None:
                raise refused
            unit = one(tx, Unit, biller, draft.unit) if draft.unit else None
            can_email = payer is not None and payer.email is not None
            return Preview(
                invoice=draft,
                reference=draft.reference,
                expected_number=format_number(owner.policy, counter.next, day),
                amount=draft.total,
                bill_to=bill_to(payer, owner) if payer is not None else None,
                due_on=due_on,
                can_email=can_email,
                suggest_notify=can_email,
                warnings=(*due_passed(owner, due_on, day), *reach(owner, unit, payer)),
            )

    def publish(
        self,
        invoice: Invoice | str,
        *,
        notify: bool | None = None,
        due: date | None = None,
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> Invoice:
        """Draft → Open: numbered, locked, visible to its customer, payable (R10, C4, N1).

        An explicit `notify` wins over the client's, the biller's and the draft's wish (R7, C4). `due` moves the due
        date to today or later. The result's `warnings` say that the due date has passed or that nobody could be told.
        Raises NotAllowed from any other status, InvalidValue, NotFound, KeyReused.
        """
        biller, ref = self._desk.owner("invoice", invoice)
        with self._desk.change("invoices.publish", biller, on=on, actor=actor, subject=ref) as change:
            if (made := change.replayed(key, {"invoice": ref, "notify": notify, "due": due})) is not None:
                return change.again(Invoice, made)[0]
            told = notify if notify is None else yes_or_no(notify, "notify")
            draft = one(change.tx, Invoice, biller, ref)
            due_on = as_date(due, "due") if due is not None else None
            check("publish", draft, change.biller.policy, change.on)
            prepared = attrs.evolve(
                draft, due_on=due_at_publish(draft, change.biller.policy, on=change.on, due=due_on), due_by_terms=False
            )
            change.made(ref)
            return issue(
                change,
                [prepared],
                lambda _, payer: told if told is not None else wishes(change.biller, draft, payer),
            )[0]

    def preview_publish_all(self, *, biller: Biller | str | None = None, on: date | None = None) -> BulkPreview:
        """How many drafts there are, their sum, and how many can be e-mailed, to confirm before publish_all (R11)."""
        ref = self._desk.biller_id(biller)
        count, mails = 0, 0
        with self._desk.view() as tx:
            owner = biller_in(tx, ref)
            whole = 0  # drafts are bounded, what they add up to is not
            for page in _drafts(tx, owner, self._desk.day(owner, on)):
                count += len(page)
                whole += sum(minor(draft.total) for draft in page)
                payers = payers_of(tx, owner, page)
                mails += sum(1 for draft in page if (who := payers.get(draft.id)) is not None and who.email)
        return BulkPreview(
            count=count, total=unbounded(whole, owner.currency), emails=mails, without_email=count - mails
        )

    def publish_all(
        self,
        *,
        biller: Biller | str | None = None,
        notify: bool | None = None,
        on: date | None = None,
        actor: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> BulkReport:
        """Publish every draft, a page a transaction; one bad draft does not stop the rest (R11, N4).

        `notify=None` tells everybody with an address, except who asked not to be told (R7, C4). `progress` is called with the count done after each page.
        Errors of single drafts are in the report.
        Raises ObserverFailed at the end when an observer failed; everything is committed then.
        """
        ref = self._desk.biller_id(biller)
        with self._desk.plugins.span("billing.invoices.publish_all", biller=ref) as counted:
            report = self._publish_all(ref, notify, on, actor, progress)
            counted |= {"published": len(report.published), "failed": len(report.failed)}
        return report

    def _publish_all(
        self,
        ref: str,
        notify: bool | None,
        on: date | None,
        actor: str | None,
        progress: Callable[[int], None] | None,
    ) -> BulkReport:
        told = notify if notify is None else yes_or_no(notify, "notify")
        done: list[Published] = []
        unheard: list[ObserverFailed] = []
        after = ""
        while True:
            page: list[Invoice] = []
            tried: dict[str, Invoice] = {}
            try:
                with uncollected():
                    results = again(partial(self._publish_page, ref, after, page, tried, told, on, actor, unheard))
            except (StoreError, PluginError, Refused):
                raise
            except InvoicecoreError:
                # The page was rolled back whole: redo it draft by draft, so that each gets its own answer (N4).
                if not page:
                    raise
                results = again(partial(self._published_meanwhile, ref, tried, page))
                for draft in page:
                    tried = {}
                    results.append(again(partial(self._publish_one, ref, draft, tried, told, on, actor, unheard)))
            done += results
            if not page:
                break
            after = page[-1].id
            if progress is not None:
                progress(len(done))
        if unheard:
            raise unheard[0]
        good = tuple(result for result in done if result.error is None)
        return BulkReport(published=good, failed=tuple(result for result in done if result.error is not None))

    def _publish_page(
        self,
        biller: str,
        after: str,
        page: list[Invoice],
        tried: dict[str, Invoice],
        notify: bool | None,
        on: date | None,
        actor: str | None,
        unheard: list[ObserverFailed],
    ) -> list[Published]:
        """Publish the drafts after one; `page` is filled with them, `tried` has those of every try that was interrupted."""
        with self._desk.change("invoices.publish_all", biller, on=on, actor=actor, unheard=unheard) as change:
            page[:] = _draft_page(change.tx, change.biller, change.on, after)
            before = _published_before(change.tx, biller, list(tried.values()), page)
            tried.update((draft.id, draft) for draft in page)
            return before + _publish_page(change, page, notify)

    def _published_meanwhile(self, biller: str, tried: dict[str, Invoice], page: list[Invoice]) -> list[Published]:
        with self._desk.view() as tx:
            return _published_before(tx, biller, list(tried.values()), page)

    def _publish_one(
        self,
        biller: str,
        draft: Invoice,
        tried: dict[str, Invoice],
        notify: bool | None,
        on: date | None,
        actor: str | None,
        unheard: list[ObserverFailed],
    ) -> Published:
        try:
            with self._desk.change(
                "invoices.publish_all", biller, on=on, actor=actor, subject=draft.id, unheard=unheard
            ) as change:
                fresh = one(change.tx, Invoice, biller, draft.id)
                if before := _published_before(change.tx, biller, list(tried.values()), []):
                    return before[0]
                tried[draft.id] = draft
                check("publish", fresh, change.biller.policy, change.on)
                return _publish_page(change, [fresh], notify)[0]
        except StoreError:
            raise
        except InvoicecoreError as error:
            return Published(reference=draft.reference, invoice=draft, error=error)

    def void(
        self,
        invoice: Invoice | str,
        *,
        release_charges: bool = False,
        reason: str = "",
        on: date | None = None,
        actor: str | None = None,
        key: str | None = None,
    ) -> Invoice:
        """Draft or Open → Void; the number stays, applied credit returns, charges stay billed unless released (R14, C5).

        Raises MoneyHeld while money is held or a collection is live, NotAllowed from other statuses or by policy (R15).
        """
        biller, ref = self._desk.owner("invoice", invoice)
        reason = text(reason, "reason", required=False, longest=2000, lines=True)
        yes_or_no(release_charges, "release_charges")
        with self._desk.change("invoices.void", biller, on=on, actor=actor, subject=ref) as change:
            if (made := change.replayed(key, {"invoice": ref, "release_charges": release_charges})) is not None:
                return change.again(Invoice, made)[0]
            before = one(change.tx, Invoice, biller, ref)
            check("void", before, change.biller.policy, change.on)
            after = void(before, on=change.on)
            back = before.facts.credit_held
            if back.amount > 0 and before.customer is not None:
                move_credit(change, before.customer, CreditKind.RETURNED, back, invoice=before.id)
                after = attrs.evolve(after, facts=after_credit(after.facts, -back))
                change.note(ref, before.version + 1, "credit returned", str(back.amount), step=1)
            change.tx.replace([after])
            close_pages(change, [after])
            if release_charges or before.lifecycle is Lifecycle.DRAFT:
                open_again(change, [before])
            change.made(ref)
            change.note(ref, before.version + 1, "voided", reason)
        return attrs.evolve(after, version=before.version + 1)


def _publish_page(change: Change, page: Sequence[Invoice], notify: bool | None) -> list[Published]:
    judged: dict[str, Published] = {}
    accepted = []
    for draft in page:
        try:
            check("publish", draft, change.biller.policy, change.on)
            due = due_at_publish(draft, change.biller.policy, on=change.on, due=None)
            accepted.append(altered(draft, due_on=due, due_by_terms=False))
        except InvoicecoreError as error:
            judged[draft.id] = Published(reference=draft.reference, invoice=draft, error=error)
    references = {draft.id: draft.reference for draft in page}
    for invoice in issue(change, accepted, lambda _, payer: _told(payer) if notify is None else notify):
        judged[invoice.id] = Published(reference=references[invoice.id], invoice=invoice)
    return [judged[draft.id] for draft in page]


def _published_before(tx: Reader, biller: str, before: Sequence[Invoice], page: Sequence[Invoice]) -> list[Published]:
    """Those of the drafts that were read before an interruption which its commit published after all."""
    left = {draft.id for draft in page}
    gone = list({draft.id: draft for draft in before if draft.id not in left}.values())
    found = tx.get(Invoice, biller, [draft.id for draft in gone])
    now = [(draft.reference, found[draft.id]) for draft in gone if draft.id in found]
    return [Published(reference=ref, invoice=each) for ref, each in now if each.lifecycle is Lifecycle.OPEN]


def _told(payer: Customer | None) -> bool:
    # A bulk publish tells everybody with an address, but not a client who asked not to be told (R7, C4).
    return payer is not None and payer.notify is not False


def _draft_page(tx: Reader, biller: Biller, on: date, after: str) -> list[Invoice]:
    return tx.invoices(
        InvoiceQuery(
            biller=biller.id,
            on=on,
            status=frozenset({Status.DRAFT}),
            order=Order.CREATED,
            after=(after, after) if after else None,
            limit=PAGE,
        )
    )


def _drafts(tx: Reader, biller: Biller, on: date) -> Iterable[list[Invoice]]:
    after = ""
    while page := _draft_page(tx, biller, on, after):
        after = page[-1].id
        yield page
