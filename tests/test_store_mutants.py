"""Stores that are wrong in one way each: the contract notices every one of them, and each of its tests can fail."""

from __future__ import annotations

import inspect
import time
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal

import attrs
import hypothesis
import pytest

from invoicecore.alerts import Alert, AlertState
from invoicecore.charges import Charge
from invoicecore.collection import Collection, CollectionState
from invoicecore.credit_notes import CreditNote
from invoicecore.credits import CreditEntry
from invoicecore.errors import InvoicecoreError, StoreError
from invoicecore.invoices import Invoice, Lifecycle
from invoicecore.messages import Message
from invoicecore.money import MAX_MINOR, from_minor, minor
from invoicecore.payments import Payment, Refund, Reversal
from invoicecore.ports import Counter, Event, InvoiceQuery, KeyUse, Order
from invoicecore.testing import StoreContract
from invoicecore_adapters.memory import MemoryStore, MemoryWriter, Tables

MUTANTS: dict[
    type[MemoryStore], tuple[str, ...]
] = {}  # a store that is wrong -> the tests of the contract that must notice


def noticed_by(*tests):
    """Registers a mutant: a writer (which reads too), or a whole store."""

    def register(mutant):
        store = mutant
        if issubclass(mutant, MemoryWriter):
            store = type(mutant.__name__, (MemoryStore,), {"reader": mutant, "writer": mutant})
        MUTANTS[store] = tests
        return mutant

    return register


# --- records ----------------------------------------------------------------------------------------------------------


@noticed_by("test_every_kind_of_record_comes_back_exactly")
class WritesOnePointFiveForOnePointFifty(MemoryWriter):
    def _put(self, record):
        if isinstance(record, Charge):
            record = attrs.evolve(record, quantity=Decimal(f"{record.quantity.normalize():f}"))
        super()._put(record)


@noticed_by("test_money_comes_back_at_the_ends_of_64_bits", "test_sums_may_be_larger_than_any_amount")
class KeepsMoneyAsFloats(MemoryWriter):
    def _put(self, record):
        def rough(money):
            return from_minor(min(int(float(minor(money))), MAX_MINOR - 1), money.currency.code)

        if isinstance(record, Charge):
            record = attrs.evolve(record, unit_price=rough(record.unit_price))
        if isinstance(record, Invoice):
            record = attrs.evolve(record, total=rough(record.total))
        super()._put(record)


@noticed_by("test_an_instant_comes_back_in_utc_to_the_microsecond")
class ForgetsMicroseconds(MemoryWriter):
    def _put(self, record):
        super()._put(attrs.evolve(record, at=record.at.replace(microsecond=0)) if isinstance(record, Event) else record)


@noticed_by("test_what_travels_with_a_result_is_not_stored")
class StoresWarnings(MemoryWriter):
    def _put(self, record):
        self._swap(type(record), getattr(record, "biller", record.id), record.id, record)


@noticed_by("test_records_of_many_kinds_are_written_in_one_call")
class LosesTheOutbox(MemoryWriter):
    def add(self, records):
        super().add([record for record in records if not isinstance(record, Message)])


@noticed_by("test_get_gives_what_there_is_by_id")
class HasALimitOfVariables(MemoryWriter):
    def get(self, kind, biller, ids):
        if len(ids) > 32_766:
            raise StoreError("too many variables")
        return super().get(kind, biller, ids)


@noticed_by("test_find_gives_the_records_whose_fields_match")
class FindsAPaymentByItsFirstInvoiceOnly(MemoryWriter):
    def find(self, kind, biller, where, **page):
        found = super().find(kind, biller, where, **page)
        if kind is Payment and "invoice" in where:
            found = [payment for payment in found if payment.allocations[0].invoice in where["invoice"]]
        return found


@noticed_by("test_find_gives_the_records_whose_fields_match")
class FindsTwice(MemoryWriter):
    def find(self, kind, biller, where, **page):
        found = super().find(kind, biller, where, **page)
        return found + found[:1] if kind is Payment and "invoice" in where else found


@noticed_by("test_find_pages_through_everything_without_gap_or_repeat")
class FindIgnoresAfter(MemoryWriter):
    def find(self, kind, biller, where, *, after="", limit=None):
        return super().find(kind, biller, where, limit=limit)


@noticed_by("test_ids_sort_by_code_point")
class SortsAsADictionaryDoes(MemoryWriter):
    def find(self, kind, biller, where, **page):
        return sorted(super().find(kind, biller, where, **page), key=lambda record: record.id.casefold())


@noticed_by("test_a_timeline_comes_by_subject_version_and_step")
class SortsATimelineAsText(MemoryWriter):
    def find(self, kind, biller, where, **page):
        found = super().find(kind, biller, where, **page)
        return sorted(found, key=lambda event: event.id) if kind is Event else found


@noticed_by("test_a_ledger_comes_by_customer_currency_and_number")
class SortsALedgerById(MemoryWriter):
    def find(self, kind, biller, where, **page):
        found = super().find(kind, biller, where, **page)
        return sorted(found, key=lambda entry: entry.id) if kind is CreditEntry else found


@noticed_by("test_billers_come_by_id_in_pages")
class GivesTheFirstBillersAgain(MemoryWriter):
    def billers(self, *, after="", limit=1000):
        return super().billers(limit=limit)


@noticed_by("test_billers_do_not_meet_though_their_ids_and_numbers_are_the_same")
class GetsOtherBillersRecords(MemoryWriter):
    def get(self, kind, biller, ids):
        found = super().get(kind, biller, ids)
        for _, other in list(self._tables.rows):
            found = super().get(kind, other, ids) | found
        return found


@noticed_by("test_billers_do_not_meet_though_their_ids_and_numbers_are_the_same")
class CountsForAllBillersTogether(MemoryWriter):
    def counter(self, biller, series):
        return super().counter("", series)

    def take_numbers(self, biller, series, count, on):
        return super().take_numbers("", series, count, on)


@noticed_by("test_a_new_store_is_empty_and_shares_nothing_with_another")
class SharesItsTables(MemoryStore):
    tables = Tables()

    def __init__(self):
        super().__init__()
        self._tables = self.tables


# --- writing ----------------------------------------------------------------------------------------------------------


@noticed_by(
    "test_every_unique_key_is_kept_and_a_clash_takes_everything_back",
    "test_replacing_takes_and_frees_unique_keys",
)
class KeepsNoUniqueKeys(MemoryWriter):
    def __init__(self, tables):
        super().__init__(tables)
        tables.taken = ForgetsAll()


class ForgetsAll(dict):
    def __setitem__(self, key, value):
        pass

    def __delitem__(self, key):
        pass


@noticed_by("test_every_id_is_taken_once")
class AddWritesOver(MemoryWriter):
    def add(self, records):
        for record in records:
            self._put(record)


@noticed_by("test_keys_that_differ_or_are_not_set_do_not_clash")
class TakesEveryRevisionForTheSame(MemoryWriter):
    def _put(self, record):
        super()._put(record)
        if isinstance(record, Invoice) and record.lease and record.revision > 1:
            raise self._conflict("lease period", "taken by another revision")


@noticed_by("test_replacing_takes_and_frees_unique_keys")
class NeverFreesAUnitsNumber(MemoryWriter):
    def _put(self, record):
        before = dict(self._tables.taken)
        super()._put(record)
        self._tables.taken.update(before)


@noticed_by("test_a_removed_draft_frees_its_keys_and_leaves_its_timeline")
class RemovesTheTimelineToo(MemoryWriter):
    def remove(self, invoices):
        super().remove(invoices)
        for invoice in invoices:
            for event in self.find(Event, invoice.biller, {"subject": invoice.id}):
                self._swap(Event, event.biller, event.id, None)


@noticed_by("test_replacing_stores_the_next_version", "test_a_stale_version_is_a_conflict_and_nothing_is_written")
class KeepsTheVersion(MemoryWriter):
    def _next_version(self, record):
        return record.version


@noticed_by("test_a_stale_version_is_a_conflict_and_nothing_is_written")
class ForgetsToCheckTheVersion(MemoryWriter):
    def _check_version(self, record):
        pass


@noticed_by("test_replacing_writes_everything_anew")
class AddsLinesToTheOldOnes(MemoryWriter):
    def replace(self, records):
        super().replace(
            [
                attrs.evolve(
                    record, lines=self.get(Invoice, record.biller, [record.id])[record.id].lines + record.lines
                )
                if isinstance(record, Invoice)
                else record
                for record in records
            ]
        )


@noticed_by(
    "test_an_exception_takes_everything_back",
    "test_every_unique_key_is_kept_and_a_clash_takes_everything_back",
)
class KeepsHalfOfAFailedTransaction(MemoryWriter):
    def roll_back(self):
        del self._undo[: len(self._undo) // 2]
        super().roll_back()


@noticed_by("test_a_conflict_that_was_swallowed_leaves_no_half_of_its_call")
class CommitsHalfOfACall(MemoryWriter):
    def _conflict(self, what, detail):
        conflict = super()._conflict(what, detail)
        self.broken = None
        return conflict


@noticed_by("test_a_transaction_reads_what_it_wrote")
class CountsOnlyWhatIsCommitted(MemoryWriter):
    def __init__(self, tables):
        super().__init__(tables)
        self.committed = dict(tables.counters)

    def counter(self, biller, series):
        return self.committed.get((biller, series), Counter())


@noticed_by("test_two_thousand_invoices_are_one_transaction")
class CommitsEveryThousand(MemoryWriter):
    def _put(self, record):
        super()._put(record)
        if len(self._undo) >= 1_000:
            self._undo.clear()


@noticed_by(
    "test_numbers_have_no_gap_and_no_repeat",
    "test_an_exception_takes_everything_back",
    "test_threads_that_publish_take_consecutive_numbers",
)
class LeavesAGapAfterARollback(MemoryWriter):
    def take_numbers(self, biller, series, count, on):
        before = super().take_numbers(biller, series, count, on)
        self._undo.pop()  # as a database's own sequence does
        return before


@noticed_by("test_every_series_that_was_used_is_listed")
class ListsEveryBillersSeries(MemoryWriter):
    def counters(self, biller):
        return {series: counter for (_, series), counter in self._tables.counters.items()}


@noticed_by("test_every_series_that_was_used_is_listed")
class ForgetsTheLastDateOfASeries(MemoryWriter):
    def counters(self, biller):
        return {series: attrs.evolve(counter, last_on=None) for series, counter in super().counters(biller).items()}


@noticed_by("test_find_gives_the_records_whose_fields_match")
class ListsNoKeys(MemoryWriter):
    def find(self, kind, biller, where, **page):
        return [] if kind is KeyUse else super().find(kind, biller, where, **page)


# --- queries ----------------------------------------------------------------------------------------------------------


class ChangesTheQuestion(MemoryWriter):
    """A mutant that answers another question about invoices than it was asked."""

    def instead(self, wanted):
        return wanted

    def _matching(self, wanted):
        return super()._matching(self.instead(wanted))


@noticed_by("test_filters_combined_agree_with_the_values")
class KnowsOneFilterOnly(ChangesTheQuestion):
    def instead(self, wanted):
        kept = ("biller", "on", "status", "order", "after", "limit")
        return InvoiceQuery(**{name: getattr(wanted, name) for name in kept})


@noticed_by("test_each_filter_finds_what_it_says")
class IgnoresTheKinds(ChangesTheQuestion):
    def instead(self, wanted):
        return attrs.evolve(wanted, kinds=frozenset())


@noticed_by("test_two_filters_together_find_what_both_say")
class ForgetsTheCustomerWhenThereIsAUnit(ChangesTheQuestion):
    def instead(self, wanted):
        return attrs.evolve(wanted, customers=()) if wanted.unit else wanted


@noticed_by("test_status_filters_agree_with_the_status_shown", "test_each_filter_finds_what_it_says")
class IsOverdueOnTheDueDate(ChangesTheQuestion):
    def instead(self, wanted):
        return attrs.evolve(wanted, on=wanted.on + timedelta(days=1)) if wanted.on.year < 9999 else wanted


@noticed_by("test_every_order_pages_through_the_whole_without_gap_or_repeat")
class ListIgnoresAfter(MemoryWriter):
    def invoices(self, wanted):
        return super().invoices(attrs.evolve(wanted, after=None))


@noticed_by("test_every_order_pages_through_the_whole_without_gap_or_repeat")
class LosesTiesBetweenPages(MemoryWriter):
    def invoices(self, wanted):
        if wanted.after is not None and wanted.order in (Order.DUE, Order.TOTAL):
            wanted = attrs.evolve(wanted, after=(wanted.after[0], "\U0010ffff"))
        return super().invoices(wanted)


@noticed_by("test_every_order_pages_through_the_whole_without_gap_or_repeat")
class ListsDraftsByNumberToo(MemoryWriter):
    def invoices(self, wanted):
        if wanted.order is Order.NUMBER and wanted.after is None:
            drafts = super().invoices(attrs.evolve(wanted, published=False, order=Order.CREATED))
            return drafts + super().invoices(wanted)
        return super().invoices(wanted)


@noticed_by("test_sums_are_of_everything_that_matches_whatever_the_page")
class SumsThePage(MemoryWriter):
    def sums(self, wanted):
        page = {invoice.id for invoice in self.invoices(wanted)}
        whole = self._matching
        self._matching = lambda wanted: (invoice for invoice in whole(wanted) if invoice.id in page)
        try:
            return super().sums(wanted)
        finally:
            del self._matching


@noticed_by("test_sums_may_be_larger_than_any_amount", "test_sums_agree_with_a_fold_over_the_invoices")
class SumsWrapAt64Bits(MemoryWriter):
    def sums(self, wanted):
        sums = super().sums(wanted)
        return attrs.evolve(sums, total=(sums.total + 2**63) % 2**64 - 2**63)


@noticed_by(
    "test_sums_are_of_everything_that_matches_whatever_the_page",
    "test_sums_agree_with_a_fold_over_the_invoices",
)
class SumsIncludeVoid(MemoryWriter):
    def _counted(self, invoice):
        return invoice.published


@noticed_by("test_sums_are_of_everything_that_matches_whatever_the_page")
class SumsIncludeDrafts(MemoryWriter):
    def _counted(self, invoice):
        return invoice.lifecycle is not Lifecycle.VOID


@noticed_by("test_due_leases_come_by_date_in_pages")
class LeasesAreDueADayLate(MemoryWriter):
    def due_leases(self, biller, on, *, after, limit, among=None):
        return super().due_leases(biller, on - timedelta(days=1), after=after, limit=limit, among=among)


@noticed_by("test_due_leases_between_two_ids_come_by_id_in_pages", "test_the_due_leases_are_cut_into_spans_by_id")
class GivesEveryDueLeaseToEveryShard(MemoryWriter):
    def due_leases(self, biller, on, *, after, limit, among=None):
        return super().due_leases(biller, on, after=after, limit=limit)


@noticed_by("test_due_leases_between_two_ids_come_by_id_in_pages", "test_the_due_leases_are_cut_into_spans_by_id")
class LeavesOutTheLastLeaseOfAShard(MemoryWriter):
    def due_leases(self, biller, on, *, after, limit, among=None):
        found = super().due_leases(biller, on, after=after, limit=limit, among=among)
        return [lease for lease in found if among is None or lease.id != among[1]]


@noticed_by("test_due_leases_between_two_ids_come_by_id_in_pages")
class SortsAShardByDay(MemoryWriter):
    def due_leases(self, biller, on, *, after, limit, among=None):
        found = super().due_leases(biller, on, after=None, limit=10**6, among=among)
        ready = sorted(found, key=lambda lease: (lease.next_run_on, lease.id))
        return [lease for lease in ready if after is None or (lease.next_run_on, lease.id) > after][:limit]


@noticed_by("test_the_due_leases_are_cut_into_spans_by_id")
class CutsOnlyAtTheFirstSpan(MemoryWriter):
    def due_spans(self, biller, on, *, size):
        spans = super().due_spans(biller, on, size=size)
        rest = spans[1:]
        return spans[:1] + [(rest[0][0], rest[-1][1], sum(span[2] for span in rest))] if rest else spans


@noticed_by("test_the_due_leases_are_cut_into_spans_by_id")
class CutsWhatIsNotDueToo(MemoryWriter):
    def due_spans(self, biller, on, *, size):
        return super().due_spans(biller, on + timedelta(days=1), size=size)


@noticed_by("test_each_filter_finds_what_it_says", "test_two_filters_together_find_what_both_say")
class IgnoresTheSpanOfLeases(ChangesTheQuestion):
    def instead(self, wanted):
        return attrs.evolve(wanted, leases=None)


@noticed_by("test_due_customers_come_by_date_in_pages")
class GivesTheSameCustomersAgain(MemoryWriter):
    def due_customers(self, biller, on, *, after, limit):
        return super().due_customers(biller, on, after=None, limit=limit)


@noticed_by("test_the_last_credit_of_each_customer_has_the_highest_number")
class TakesTheLastWrittenCredit(MemoryWriter):
    def last_credits(self, biller, customers, currency):
        entries = [entry for customer in customers for entry in self.find(CreditEntry, biller, {"customer": customer})]
        return {e.customer: e for e in sorted(entries, key=lambda e: e.id) if e.amount.currency.code == currency}


@noticed_by("test_what_waits_comes_by_instant_in_pages")
class TakesNothingUpAtTheInstantItself(MemoryWriter):
    def due(self, kind, biller, at, *, after, limit):
        return super().due(kind, biller, at - timedelta(microseconds=1), after=after, limit=limit)


@noticed_by("test_what_waits_comes_by_instant_in_pages")
class ForgetsWhereThePageOfWaitingOnesBegan(MemoryWriter):
    def due(self, kind, biller, at, *, after, limit):
        return super().due(kind, biller, at, after=None, limit=limit)


@noticed_by("test_what_waits_comes_by_instant_in_pages")
class KnowsOnlyOfMessagesThatWait(MemoryWriter):
    def due(self, kind, biller, at, *, after, limit):
        return super().due(kind, biller, at, after=after, limit=limit) if kind is Message else []


@noticed_by("test_what_waits_comes_by_instant_in_pages")
class TakesUpEveryBillersRefunds(MemoryWriter):
    def due(self, kind, biller, at, *, after, limit):
        mine = super().due(kind, biller, at, after=after, limit=limit)
        theirs = super().due(kind, "b2", at, after=after, limit=limit) if kind is Refund else []
        return sorted(mine + theirs, key=lambda each: (each.next_try_at, each.id))[:limit]


# --- collecting -------------------------------------------------------------------------------------------------------


class ForgetsTheKeysOfOneKind(MemoryWriter):
    """A mutant without the unique keys of one kind of record."""

    kind = None

    def _put(self, record):
        if type(record) is not self.kind:
            return super()._put(record)
        self._tables.taken = ForgetsAll()
        return super()._put(record)


@noticed_by(
    "test_an_invoice_has_one_unfinished_collection",
    "test_of_those_that_reserve_an_invoice_at_once_one_does",
    "test_every_unique_key_is_kept_and_a_clash_takes_everything_back",
)
class CollectsTheSameMoneyTwice(ForgetsTheKeysOfOneKind):
    kind = Collection


@noticed_by("test_a_cancelled_reversal_makes_room_for_another")
class ReversesTwice(ForgetsTheKeysOfOneKind):
    kind = Reversal


@noticed_by("test_every_unique_key_is_kept_and_a_clash_takes_everything_back")
class GivesACreditNotesNumberTwice(ForgetsTheKeysOfOneKind):
    kind = CreditNote


class TakesMore(MemoryWriter):
    """A mutant with one unique key more than there are."""

    def also(self, record):
        return None

    def _put(self, record):
        super()._put(record)
        mine = self.also(record)
        others = self._tables.of(type(record), getattr(record, "biller", "")).values()
        if mine is not None and any(self.also(other) == mine for other in others if other.id != record.id):
            raise self._conflict("a key", "it is taken")


@noticed_by("test_an_invoice_has_one_unfinished_collection", "test_records_of_many_kinds_are_written_in_one_call")
class LetsAFinishedCollectionBlock(TakesMore):
    def also(self, record):
        return record.invoice if isinstance(record, Collection) else None


@noticed_by("test_an_invoice_has_one_unfinished_collection")
class LetsAnOpenPageBeBesideAnother(MemoryWriter):
    def _put(self, record):
        super()._put(record)
        if isinstance(record, Collection) and record.state is CollectionState.OPEN:
            self._tables.taken.pop((Collection, record.biller, ("unfinished collection of invoice", record.invoice)))


@noticed_by("test_a_cancelled_reversal_makes_room_for_another")
class NeverReversesAgain(TakesMore):
    def also(self, record):
        return (record.payment, record.reference) if isinstance(record, Reversal) else None


@noticed_by("test_a_payment_has_one_reversal_of_each_reference", "test_keys_that_differ_or_are_not_set_do_not_clash")
class ReversesAPaymentOnce(TakesMore):
    def also(self, record):
        return record.payment if isinstance(record, Reversal) and record.cancelled_on is None else None


@noticed_by(
    "test_a_payment_has_one_reversal_of_each_reference",
    "test_every_unique_key_is_kept_and_a_clash_takes_everything_back",
)
class LetsAProviderReverseTwice(MemoryWriter):
    def _put(self, record):
        super()._put(record)
        if isinstance(record, Reversal) and record.reference and record.cancelled_on is None:
            key = (Reversal, record.biller, ("reversal of payment", record.payment, record.reference))
            self._tables.taken[key[:2] + (("nothing", record.id),)] = self._tables.taken.pop(key)


@noticed_by("test_keys_that_differ_or_are_not_set_do_not_clash")
class HasOneAlertAboutAThing(TakesMore):
    def also(self, record):
        return record.about if isinstance(record, Alert) else None


@noticed_by("test_a_resolved_alert_is_not_raised_again")
class RaisesAResolvedAlertAgain(MemoryWriter):
    def _put(self, record):
        super()._put(record)
        if isinstance(record, Alert) and record.state is AlertState.RESOLVED:
            self._tables.taken.pop((Alert, record.biller, ("alert", record.kind, record.about)))


@noticed_by("test_a_refund_is_found_by_where_it_stands")
class FindsARefundByWhereItStood(MemoryWriter):
    def find(self, kind, biller, where, *, after="", limit=None):
        found = super().find(kind, biller, where, after=after, limit=limit)
        stood = super().find(kind, biller, {}) if kind is Refund and where.get("state") == "reserved" else []
        return found + [each for each in stood if each.version > 1]


@noticed_by("test_a_refund_is_found_by_where_it_stands", "test_every_kind_of_record_comes_back_exactly")
class ForgetsWhenARefundFailed(MemoryWriter):
    def _put(self, record):
        super()._put(attrs.evolve(record, failed_on=None) if isinstance(record, Refund) else record)


@noticed_by("test_a_credit_note_comes_back_with_its_lines_in_order")
class SortsTheLinesOfACreditNoteAsText(MemoryWriter):
    def _put(self, record):
        if isinstance(record, CreditNote):
            record = attrs.evolve(record, lines=tuple(sorted(record.lines, key=lambda line: str(line.line))))
        super()._put(record)


@noticed_by(
    "test_what_credit_notes_took_off_is_kept_with_the_invoice", "test_status_filters_agree_with_the_status_shown"
)
class ForgetsWhatCreditNotesTookOff(MemoryWriter):
    def _put(self, record):
        if isinstance(record, Invoice):
            nothing = attrs.evolve(record.facts, noted=from_minor(0, record.currency))
            record = attrs.evolve(record, facts=nothing)
        super()._put(record)


@noticed_by(
    "test_sums_are_of_everything_that_matches_whatever_the_page",
    "test_sums_agree_with_a_fold_over_the_invoices",
)
class SumsLeaveCreditNotesInTheTotal(MemoryWriter):
    def sums(self, wanted):
        sums = super().sums(wanted)
        noted = sum(minor(each.facts.noted) for each in self._matching(wanted) if self._counted(each))
        return attrs.evolve(sums, total=sums.total + noted)


@noticed_by("test_sums_are_of_everything_that_matches_whatever_the_page")
class CountsAPage(MemoryWriter):
    def count(self, wanted):
        return len(self.invoices(wanted))


@noticed_by("test_a_link_is_found_by_its_token_whoever_its_biller_is")
class HidesRevokedLinks(MemoryWriter):
    def pay_link(self, token):
        link = super().pay_link(token)
        return link if link is None or link.revoked_at is None else None


@noticed_by("test_a_link_is_found_by_its_token_whoever_its_biller_is")
class LooksForTheLinkOfOneBillerOnly(MemoryWriter):
    def pay_link(self, token):
        link = super().pay_link(token)
        return link if link is not None and link.biller == "b1" else None


@noticed_by("test_what_is_changed_and_changed_back_in_one_transaction_is_as_it_was")
class ComparesWithWhatWasReadFirst(MemoryWriter):
    def get(self, kind, biller, ids):
        found = super().get(kind, biller, ids)
        self.first = {record.id: record for record in found.values()}
        return found

    def replace(self, records):
        first = getattr(self, "first", {})
        super().replace([each for each in records if attrs.evolve(each, version=1) != first.get(each.id)])


# --- threads ----------------------------------------------------------------------------------------------------------


@noticed_by(
    "test_nobody_sees_what_is_not_committed",
    "test_a_reader_has_one_view_however_long_it_looks",
)
class ReadsWithoutWaiting(MemoryStore):
    @contextmanager
    def reading(self):
        yield self.reader(self._tables)


class Dawdles(MemoryWriter):
    """Gives other threads time between looking and writing, as a slow disk would."""

    def _swap(self, kind, biller, id, record):
        time.sleep(0.002)
        super()._swap(kind, biller, id, record)

    def counter(self, biller, series):
        found = super().counter(biller, series)
        time.sleep(0.002)
        return found


# What it breaks in the dictionaries may also surface as one of these.
BROKEN_TABLES = (KeyError, RuntimeError)


@noticed_by(
    "test_threads_that_publish_take_consecutive_numbers",
    "test_threads_that_change_one_invoice_lose_no_update",
    "test_transactions_of_one_biller_follow_one_another",
    "test_threads_that_take_the_same_key_leave_one",
    "test_threads_that_run_share_the_work",
    "test_what_a_writer_claims_no_other_writer_has",
    "test_what_a_writer_took_up_no_other_writer_has",
)
class WritesWithoutWaiting(MemoryStore):
    writer = Dawdles

    @contextmanager
    def writing(self, **how):
        writer = self.writer(self._tables)
        try:
            yield writer
        except BaseException:
            writer.roll_back()
            raise


@noticed_by("test_an_interrupt_takes_everything_back_too")
class CommitsWhatWasInterrupted(MemoryStore):
    @contextmanager
    def writing(self, **how):
        transaction = super().writing(**how)
        failed = (None, None, None)
        try:
            yield transaction.__enter__()
        except Exception as error:
            failed = (type(error), error, error.__traceback__)
            raise
        finally:
            transaction.__exit__(*failed)


@noticed_by("test_a_thread_that_is_writing_begins_no_other_transaction")
class JoinsTheOuterTransaction(MemoryStore):
    outer = None

    @contextmanager
    def writing(self, **how):
        if self.outer is not None:
            yield self.outer
            return
        with super().writing(**how) as self.outer:
            try:
                yield self.outer
            finally:
                self.outer = None


# --- the proof --------------------------------------------------------------------------------------------------------

NOTICED = (AssertionError, InvoicecoreError, pytest.fail.Exception, BaseExceptionGroup, *BROKEN_TABLES)
IN_FILE = {"test_what_was_written_outlives_the_store_if_it_says_so"}  # test_memory_store.py shows that it can fail


@pytest.fixture(autouse=True)
def _no_shrinking():
    """That a property fails is enough here; the smallest way to make it fail is not worth the time."""
    quick = hypothesis.settings(
        phases=[hypothesis.Phase.generate], database=None, report_multiple_bugs=False, derandomize=True
    )
    before = hypothesis.settings.get_current_profile_name()
    hypothesis.settings.register_profile("mutants", quick)
    hypothesis.settings.load_profile("mutants")
    yield
    hypothesis.settings.load_profile(before)


def run(store_factory, test):
    """One test of the contract on one store, outside of pytest's collection."""
    method = getattr(StoreContract(), test)
    if "store" in inspect.signature(method).parameters:
        method(store_factory())
    else:
        method(store_factory)


@pytest.mark.parametrize(
    "mutant, test",
    [pytest.param(mutant, test, id=f"{mutant.__name__}-{test}") for mutant, tests in MUTANTS.items() for test in tests],
)
def test_the_contract_notices(mutant, test):
    with pytest.raises(NOTICED):
        run(mutant, test)


def test_every_test_of_the_contract_can_fail():
    tests = {name for name in dir(StoreContract) if name.startswith("test_")}
    named = {test for tests in MUTANTS.values() for test in tests}
    assert named | IN_FILE == tests, "give each new test a mutant that it notices"
