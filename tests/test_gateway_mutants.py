"""Gateways that are wrong in one way each: the contract notices every one of them, and each of its tests can fail."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import math
import time
from datetime import timedelta
from threading import Event, Thread
from uuid import uuid4

import attrs
import hypothesis
import pytest

from invoicecore.collection import Advice, DeclineCode, MethodState
from invoicecore.errors import (
    GatewayError,
    InvalidRequest,
    InvoicecoreError,
    NotExecuted,
    NotSent,
    NotSupported,
    ObjectNotFound,
    OutcomeUnknown,
    RateLimited,
    StateConflict,
    WebhookRejected,
)
from invoicecore.money import from_minor, minor, zero
from invoicecore.payments import PaymentMethod, RefundState
from invoicecore.ports import About, NoticePage, Operation, PaymentSnapshot, PayStatus, RefundSnapshot
from invoicecore.testing.gateway_contract import GatewayContract
from invoicecore.testing.gateway_mutants import (
    MUTANTS,
    ChargesWrongly,
    Mutant,
    MutatedBench,
    ReadsWrongly,
    mutated,
    play,
)
from invoicecore.testing.gateway_scene import EMAIL
from invoicecore_adapters.memory import MemoryGateway
from invoicecore_adapters.memory.bench import MemoryBench
from test_gateway_contract import GatewayThatClaimsLittle

# A wrong gateway -> the tests of the contract that must notice. The numbered ones are for every adoption.
NOTICED: dict[object, tuple[str, ...]] = {
    MUTANTS["M1"]: (
        "test_what_a_payer_pays_is_told_with_our_key",
        "test_a_page_is_paid_once",
        "test_the_same_again_under_the_same_key_is_one_effect",
        "test_the_same_from_many_threads_is_one_effect",
        "test_the_key_reaches_the_provider_as_it_is",
        "test_the_same_after_a_restart_is_one_effect",
        "test_what_was_made_without_an_answer_is_found",
        "test_a_webhook_that_comes_before_the_answer_leads_to_our_key",
        "test_what_never_left_did_not_happen",
        "test_a_payment_is_given_back_in_whole",
    ),
    MUTANTS["M2"]: (
        "test_a_connection_lost_after_it_was_done_leaves_doubt",
        "test_a_provider_that_is_broken_leaves_doubt",
        "test_an_answer_that_says_nothing_leaves_doubt",
        "test_an_answer_that_never_ends_is_not_waited_for",
        "test_an_answer_lost_once_makes_nothing_twice",
    ),
    MUTANTS["M3"]: (
        "test_a_connection_lost_before_it_was_done_leaves_doubt",
        "test_a_connection_lost_after_it_was_done_leaves_doubt",
        "test_a_provider_that_is_broken_leaves_doubt",
        "test_an_answer_that_says_nothing_leaves_doubt",
        "test_an_answer_that_does_not_come_is_not_waited_for",
        "test_a_redirection_is_no_success_and_takes_no_secret_along",
    ),
    MUTANTS["M4"]: (
        "test_a_charge_is_decided_at_once_or_pending_until_its_money_arrives",
        "test_a_method_just_saved_is_charged_at_once",
    ),
    MUTANTS["M5"]: ("test_many_events_in_one_webhook_are_as_many_notices_in_order",),
    MUTANTS["M6"]: (
        "test_what_the_provider_did_not_sign_is_rejected",
        "test_without_a_secret_nothing_is_believed",
        "test_what_was_signed_at_another_time_is_rejected",
        "test_two_secrets_are_good_while_one_replaces_the_other",
    ),
    MUTANTS["M6b"]: (
        "test_what_the_provider_did_not_sign_is_rejected",
        "test_what_is_signed_and_says_nothing_is_rejected",
    ),
    MUTANTS["M7"]: ("test_an_amount_arrives_as_it_was_asked_for",),
    MUTANTS["M8"]: (
        "test_a_status_that_nobody_knows_claims_nothing",
        "test_a_status_that_nobody_knows_is_nothing_when_read_again",
    ),
    MUTANTS["M9"]: ("test_a_key_that_has_made_something_makes_nothing_else",),
    MUTANTS["M10"]: (
        "test_a_debit_that_fails_after_it_was_collected_was_collected_and_taken_back",
        "test_what_is_collected_again_after_that_was_collected_twice",
    ),
    MUTANTS["M11"]: (
        "test_in_whatever_order_it_is_told_a_payment_is_what_it_is",
        "test_a_charge_back_that_is_won_is_told_as_cancelled",
    ),
    MUTANTS["M12"]: ("test_two_accounts_in_one_process_are_two",),
    MUTANTS["M13"]: ("test_what_was_not_made_is_not_found", "test_a_key_is_not_found_by_a_part_of_it"),
    MUTANTS["M14"]: ("test_a_key_that_is_refused_is_our_problem_and_nobody_elses",),
    MUTANTS["M15"]: ("test_no_log_has_a_secret",),
    MUTANTS["M16"]: ("test_what_the_provider_did_not_sign_is_rejected",),
    MUTANTS["M17"]: ("test_coming_back_from_a_page_proves_nothing",),
    MUTANTS["M18"]: ("test_what_is_given_back_is_to_the_cent_what_was_asked_for",),
    MUTANTS["M19"]: ("test_what_was_changed_without_an_answer_is_not_said_to_be_as_it_was",),
    MUTANTS["M20"]: ("test_a_search_that_fails_does_not_say_that_there_is_nothing",),
    MUTANTS["M21"]: ("test_what_is_answered_is_what_was_asked_about",),
}


def noticed_by(*tests):
    def register(mutant):
        NOTICED[mutant] = tests
        return mutant

    return register


numbers = itertools.count()


# --- what it declares, and amounts ------------------------------------------------------------------------------------


@noticed_by("test_what_it_declares_is_data_and_the_same_for_every_instance")
class HasANameOfTheDay(Mutant):
    @property
    def info(self):
        return attrs.evolve(self.inner.info, name=f"{self.inner.info.name}-{next(numbers)}")


@noticed_by("test_what_is_not_claimed_is_refused_without_a_request_and_what_is_claimed_is_not")
class ClaimsWhatItCannot(Mutant):
    def missed(self, since, cursor=None):
        raise NotSupported("memory", "missed", "not yet")


@noticed_by("test_what_is_not_claimed_is_refused_without_a_request_and_what_is_claimed_is_not")
class DoesWhatItDoesNotClaim(GatewayThatClaimsLittle):
    def _claims(self, operation, kind=None):
        """Nothing is looked at."""


class AsksFirst(Mutant):
    def asked(self):
        try:
            self.inner.payment("nobody")
        except ObjectNotFound:
            return

    def charge(self, wanted, key):
        self.asked()
        return self.inner.charge(wanted, key)


noticed_by(
    "test_a_currency_it_does_not_take_is_refused_without_a_request",
    "test_what_is_not_money_is_refused_without_a_request",
)(AsksFirst)


@noticed_by("test_it_says_how_long_a_key_is_good_for")
class HasKeysThatAreGoodForNothing(Mutant):
    @property
    def info(self):
        return attrs.evolve(self.inner.info, key_window=timedelta(0))


@noticed_by("test_no_secret_is_in_what_it_looks_like")
class ShowsItsSecrets(Mutant):
    def __repr__(self):
        return f"Gateway(key={self.bench.secrets[0]})"


@noticed_by("test_less_than_it_takes_is_never_collected")
class TakesLessThanItSays(Mutant):
    @property
    def info(self):
        info = self.inner.info
        return attrs.evolve(info, methods=tuple(attrs.evolve(each, least={"EUR": 50}) for each in info.methods))


@noticed_by("test_what_is_told_is_what_was_asked_for")
class TellsRoundedAmounts(ReadsWrongly):
    def read(self, told):
        return attrs.evolve(told, amount=from_minor(minor(told.amount) // 100 * 100, told.amount.currency.code))


@noticed_by("test_no_amount_is_written_with_a_fraction")
class WritesFloats(MemoryGateway):
    def _ask(self, operation, key=None, /, **asked):
        return super()._ask(operation, key, **asked, tax=1.5)


# --- pages and methods ------------------------------------------------------------------------------------------------


@noticed_by("test_a_page_has_an_address_of_its_own_that_is_safe_to_send")
class SendsPayersOverHttp(Mutant):
    def checkout(self, wanted, key):
        page = self.inner.checkout(wanted, key)
        return attrs.evolve(page, url=page.url.replace("https", "http"))


@noticed_by(
    "test_a_page_nobody_pays_on_stays_open_and_ends",
    "test_coming_back_from_a_page_proves_nothing",
    "test_a_payer_who_was_declined_may_try_again",
    "test_what_a_payer_pays_is_told_with_our_key",
)
class TakesAnOpenPageForPaid(ReadsWrongly):
    def read(self, told):
        return attrs.evolve(told, status=PayStatus.SUCCEEDED) if told.status is PayStatus.OPEN else told


@noticed_by("test_a_page_that_is_closed_is_not_paid_any_more")
class OnlySaysThatItClosed(Mutant):
    def expire(self, reference, key):
        return attrs.evolve(self.inner.payment(reference), status=PayStatus.CANCELLED)


@noticed_by("test_closing_a_page_that_was_paid_tells_of_the_payment")
class IsSureThatItClosed(Mutant):
    def expire(self, reference, key):
        told = self.inner.expire(reference, key)
        return attrs.evolve(told, status=PayStatus.CANCELLED, collected=zero(told.amount.currency.code))


@noticed_by("test_of_paying_and_closing_at_once_one_wins_and_it_is_told_which")
class BelievesThatItClosed(Mutant):
    closed = frozenset()

    def expire(self, reference, key):
        time.sleep(0.05)  # so that the payer comes first
        self.closed |= {reference}
        return self.inner.expire(reference, key)

    def payment(self, reference):
        told = self.inner.payment(reference)
        return attrs.evolve(told, status=PayStatus.CANCELLED) if reference in self.closed else told


class ReadsMethodsWrongly(Mutant):
    def told(self, snapshot, reference):
        return snapshot

    def method(self, reference):
        return self.told(self.inner.method(reference), reference)


@noticed_by("test_a_method_that_is_saved_can_be_charged_and_hides_its_number")
class ShowsTheNumber(ReadsMethodsWrongly):
    def told(self, snapshot, reference):
        return attrs.evolve(snapshot, label="Visa 4242 4242 4242 4242")


@noticed_by("test_a_set_up_that_is_left_saves_nothing")
class TakesASetUpForAMethod(ReadsMethodsWrongly):
    def told(self, snapshot, reference):
        return attrs.evolve(snapshot, state=MethodState.ACTIVE)


@noticed_by(
    "test_a_method_just_saved_is_charged_at_once",
    "test_a_method_that_is_saved_can_be_charged_and_hides_its_number",
)
class NamesTheSetUp(ReadsMethodsWrongly):
    def told(self, snapshot, reference):
        return attrs.evolve(snapshot, reference=reference)


@noticed_by("test_a_method_given_up_at_the_bank_is_told_of_and_charged_no_more")
class RemembersMethods(ReadsMethodsWrongly):
    seen = {}  # noqa: RUF012  # a cache that is never emptied is the mutation

    def told(self, snapshot, reference):
        return self.seen.setdefault(reference, snapshot)


@noticed_by("test_giving_a_method_up_twice_is_giving_it_up")
class GivesUpOnce(Mutant):
    def revoke(self, reference, key):
        if self.inner.method(reference).state is MethodState.INACTIVE:
            raise StateConflict("memory", "revoke", "it was given up")
        return self.inner.revoke(reference, key)


@noticed_by("test_what_nobody_has_is_not_found")
class IsInDoubtOfEverything(Mutant):
    def __getattr__(self, name):
        if name not in ("payment", "method", "refund_of"):
            return super().__getattr__(name)

        def read(reference):
            try:
                return getattr(self.inner, name)(reference)
            except ObjectNotFound:
                raise OutcomeUnknown("memory", name, "404") from None

        return read


# --- charging and keys ------------------------------------------------------------------------------------------------


class ReadsDeclinesWrongly(ReadsWrongly):
    def read(self, told):
        return told if told.decline is None else attrs.evolve(told, decline=attrs.evolve(told.decline, **self.instead))


@noticed_by("test_a_decline_says_why_in_our_words")
class KnowsOneDecline(ReadsDeclinesWrongly):
    instead = {"code": DeclineCode.DECLINED}  # noqa: RUF012  # never changed


@noticed_by("test_what_only_the_payer_can_do_is_told_with_the_payments_name")
class AdvisesToTryAgain(ReadsDeclinesWrongly):
    instead = {"advice": Advice.RETRY_LATER}  # noqa: RUF012  # never changed


@noticed_by("test_a_debit_comes_on_the_day_that_is_told")
class ChargesAsSoonAsItCan(Mutant):
    def charge(self, wanted, key):
        return self.inner.charge(attrs.evolve(wanted, charge_on=None), key)


@noticed_by("test_a_day_that_is_too_early_is_refused_or_moved")
class SaysTheDayThatWasAsked(Mutant):
    def charge(self, wanted, key):
        try:
            return self.inner.charge(wanted, key)
        except InvalidRequest:
            told = self.inner.charge(attrs.evolve(wanted, charge_on=None), key)
            return attrs.evolve(told, expected_on=wanted.charge_on)


@noticed_by("test_a_payment_is_cancelled_until_it_is_too_late")
class IsNeverTooLate(Mutant):
    def cancel(self, reference, key):
        try:
            return self.inner.cancel(reference, key)
        except StateConflict:
            return attrs.evolve(self.inner.payment(reference), status=PayStatus.CANCELLED)


@noticed_by("test_what_was_changed_without_an_answer_is_not_said_to_be_as_it_was")
class ChangesUnderAKeyOfItsOwn(Mutant):
    def cancel(self, reference, key):
        return self.inner.cancel(reference, uuid4().hex)


@noticed_by("test_a_payment_tried_again_keeps_its_name_and_is_collected_once")
class TriesAgainAnew(Mutant):
    asked = None

    def charge(self, wanted, key):
        self.asked = wanted
        return self.inner.charge(wanted, key)

    def retry(self, reference, key):
        return self.inner.charge(self.asked, key)


@noticed_by("test_the_same_from_many_threads_is_one_effect", "test_the_same_after_a_restart_is_one_effect")
class KeepsTheKeysItself(Mutant):
    def __init__(self, inner, bench):
        super().__init__(inner, bench)
        self.made = {}

    def charge(self, wanted, key):
        if key not in self.made:
            time.sleep(0.01)  # and another thread comes between
            self.made[key] = self.inner.charge(wanted, f"own-{next(numbers)}")
        return self.made[key]


@noticed_by("test_the_same_under_another_key_is_another_effect")
class TakesTheSameForTheSame(Mutant):
    def __init__(self, inner, bench):
        super().__init__(inner, bench)
        self.made = {}

    def charge(self, wanted, key):
        if wanted not in self.made:
            self.made[wanted] = self.inner.charge(wanted, key)
        return self.made[wanted]


@noticed_by("test_the_key_reaches_the_provider_as_it_is")
class ShortensTheKey(ChargesWrongly):
    def doing(self, operation, wanted, key):
        return operation(wanted, key[-16:])


# --- faults -----------------------------------------------------------------------------------------------------------


class RaisesAnotherError(ChargesWrongly):
    def doing(self, operation, wanted, key):
        try:
            return operation(wanted, key)
        except Exception as error:
            raise self.instead(error) from None


@noticed_by("test_what_never_left_did_not_happen")
class IsInDoubtOfWhatNeverLeft(RaisesAnotherError):
    def instead(self, error):
        return OutcomeUnknown("memory", "charge", "no answer") if isinstance(error, NotSent) else error


@noticed_by("test_too_many_requests_did_nothing_and_say_how_long_to_wait")
class DoesNotSayHowLong(RaisesAnotherError):
    def instead(self, error):
        return RateLimited("memory", "charge", "too many") if isinstance(error, RateLimited) else error


@noticed_by(
    "test_an_error_that_makes_no_sense_is_still_one_of_ours",
    "test_a_connection_lost_before_it_was_done_leaves_doubt",
)
class LetsErrorsOut(RaisesAnotherError):
    def instead(self, error):
        return KeyError("errors") if isinstance(error, OutcomeUnknown) else error


@noticed_by("test_a_key_that_is_refused_is_our_problem_and_nobody_elses", "test_nothing_is_made_of_what_nobody_has")
class IsInDoubtOfRefusals(RaisesAnotherError):
    def instead(self, error):
        return OutcomeUnknown("memory", "charge", "401") if isinstance(error, NotExecuted) else error


@noticed_by("test_everything_else_fails_in_our_words_too")
class LetsErrorsOutWhereItReads(Mutant):
    def payment(self, reference):
        try:
            return self.inner.payment(reference)
        except OutcomeUnknown:
            raise KeyError("status") from None


@noticed_by("test_no_text_of_ours_breaks_it")
class WritesAscii(Mutant):
    def charge(self, wanted, key):
        wanted.reference.encode("ascii")
        return self.inner.charge(wanted, key)


@noticed_by("test_more_than_is_documented_does_no_harm")
class KnowsItsAnswersTooWell(MemoryGateway):
    def _ask(self, operation, key=None, /, **asked):
        told = super()._ask(operation, key, **asked)
        if "surprise" in told:
            raise OutcomeUnknown("memory", operation, "a field that is not documented")
        return told


@noticed_by(
    "test_a_redirection_is_no_success_and_takes_no_secret_along", "test_a_redirection_tells_nothing_of_a_payment"
)
class BelievesAnyAnswer(Mutant):
    def payment(self, reference):
        try:
            return self.inner.payment(reference)
        except OutcomeUnknown:
            return self.told(from_minor(1, "EUR"), None)

    def charge(self, wanted, key):
        try:
            return self.inner.charge(wanted, key)
        except OutcomeUnknown:
            return self.told(wanted.amount, key)

    def told(self, amount, key):
        return PaymentSnapshot(
            reference="pay_elsewhere",
            key=key,
            status=PayStatus.SUCCEEDED,
            amount=amount,
            collected=amount,
            kind=PaymentMethod.CARD,
            created_at=self.bench.now(),
        )


@noticed_by("test_what_was_changed_without_an_answer_is_not_said_to_be_as_it_was")
class SaysThatNothingWasCancelled(Mutant):
    def cancel(self, reference, key):
        try:
            return self.inner.cancel(reference, key)
        except OutcomeUnknown:
            raise NotSent("memory", "cancel", "no connection") from None


@noticed_by("test_too_many_requests_did_nothing_and_say_how_long_to_wait")
class WaitsWithoutEnd(RaisesAnotherError):
    wait = math.inf

    def instead(self, error):
        if isinstance(error, RateLimited):
            return RateLimited("memory", "charge", "too many", self.wait)
        return error


class WaitsForNobodyKnowsHowLong(WaitsWithoutEnd):
    wait = math.nan


class WaitsForNoTime(WaitsWithoutEnd):
    wait = -1.0


class WaitsForMoreThanADay(WaitsWithoutEnd):
    wait = 86_401.0


for _mutant in (WaitsForNobodyKnowsHowLong, WaitsForNoTime, WaitsForMoreThanADay):
    noticed_by("test_too_many_requests_did_nothing_and_say_how_long_to_wait")(_mutant)


class ShowsSecretsInErrors(ChargesWrongly):
    def doing(self, operation, wanted, key):
        try:
            return operation(wanted, key)
        except GatewayError as error:
            raise self.showing(error, f"Authorization: Bearer {self.bench.secrets[0]}") from None


SHOWN = ("test_a_connection_lost_after_it_was_done_leaves_doubt", "test_what_never_left_did_not_happen")


@noticed_by(*SHOWN)
class KeepsTheRequestInItsErrors(ShowsSecretsInErrors):
    def showing(self, error, secret):
        error.request = {"headers": secret}
        return error


@noticed_by(*SHOWN)
class LeadsToASecret(ChargesWrongly):
    def doing(self, operation, wanted, key):
        try:
            return operation(wanted, key)
        except GatewayError as error:
            again = type(error)("memory", "charge", error.why)
        try:
            raise ValueError(f"Authorization: Bearer {self.bench.secrets[0]}")
        except ValueError:
            raise again from None  # which hides it from tracebacks, and from nothing else


@noticed_by(*SHOWN)
class NotesASecret(ShowsSecretsInErrors):
    def showing(self, error, secret):
        error.add_note(secret)
        return error


class TellsOfAnotherRefund(Mutant):
    before = None

    def refund_of(self, reference):
        told = self.inner.refund_of(reference)
        before, self.before = self.before, told
        return before or told


class TellsOfAnotherMethod(Mutant):
    before = None

    def method(self, reference):
        told = self.inner.method(reference)
        before, self.before = self.before, told
        return before or told


noticed_by("test_what_is_answered_is_what_was_asked_about")(TellsOfAnotherRefund)
noticed_by("test_what_is_answered_is_what_was_asked_about")(TellsOfAnotherMethod)


@noticed_by(
    "test_what_is_answered_is_what_was_asked_about", "test_payments_are_listed_from_a_time_on_to_before_another"
)
class HasNoZone(ReadsWrongly):
    def read(self, told):
        return attrs.evolve(told, created_at=told.created_at.replace(tzinfo=None))

    def payments(self, since, until):
        return map(self.read, self.inner.payments(since, until))


# --- lookup and refunds -----------------------------------------------------------------------------------------------


@noticed_by("test_what_was_made_without_an_answer_is_found")
class FindsNothing(Mutant):
    def find(self, operation, key, *, since, within=None):
        return None


@noticed_by("test_what_is_many_pages_back_is_found_and_listed")
class LooksAtOnePage(Mutant):
    def find(self, operation, key, *, since, within=None):
        if operation is not Operation.CHARGE:
            return self.inner.find(operation, key, since=since, within=within)
        latest = list(self.inner.payments(since, since + timedelta(days=1)))[-50:]
        return next((each for each in latest if each.key == key), None)


@noticed_by("test_what_is_many_pages_back_is_found_and_listed")
class ListsOnePage(Mutant):
    def payments(self, since, until):
        return itertools.islice(self.inner.payments(since, until), 50)


@noticed_by("test_payments_are_listed_from_a_time_on_to_before_another")
class ListsWhatCameLater(Mutant):
    def payments(self, since, until):
        return self.inner.payments(since, until + timedelta(days=400))


@noticed_by("test_a_list_that_fails_does_not_say_that_it_ends", "test_what_is_many_pages_back_is_found_and_listed")
class EndsWhereItBreaks(Mutant):
    def payments(self, since, until):
        with contextlib.suppress(GatewayError):
            yield from self.inner.payments(since, until)


@noticed_by("test_a_list_that_fails_does_not_say_that_it_ends")
class MissesNothingWhereItFails(Mutant):
    def missed(self, since, cursor=None):
        try:
            return self.inner.missed(since, cursor)
        except GatewayError:
            return NoticePage(notices=(), cursor=None)


@noticed_by("test_a_key_is_not_found_by_a_part_of_it")
class FindsByThePrefix(Mutant):
    def find(self, operation, key, *, since, within=None):
        made = self.inner.payments(since, since + timedelta(days=1))
        return next((each for each in made if (each.key or "").startswith(key)), None)


class RefundsWrongly(Mutant):
    def instead(self, wanted, payment):
        return wanted

    def refund(self, wanted, key):
        if not hasattr(wanted.amount, "currency"):
            return self.inner.refund(wanted, key)
        return self.inner.refund(self.instead(wanted, self.inner.payment(wanted.payment)), key)


@noticed_by("test_a_payment_is_given_back_in_whole")
class GivesHalfBack(RefundsWrongly):
    def instead(self, wanted, payment):
        return attrs.evolve(wanted, amount=from_minor(minor(wanted.amount) // 2 or 1, wanted.amount.currency.code))


@noticed_by("test_more_than_was_paid_is_not_given_back")
class GivesBackWhatThereIs(RefundsWrongly):
    def instead(self, wanted, payment):
        most = min(minor(wanted.amount), minor(payment.collected)) or 1
        return attrs.evolve(wanted, amount=from_minor(most, wanted.amount.currency.code))


@noticed_by("test_a_payment_is_given_back_in_parts_and_never_more_than_all_of_it")
class ForgetsEarlierRefunds(ReadsWrongly):
    def read(self, told):
        return attrs.evolve(told, refunds=told.refunds[-1:])


@noticed_by("test_what_did_not_arrive_is_not_given_back", "test_two_who_refund_the_whole_at_once_give_it_back_once")
class AlwaysGivesBack(Mutant):
    def refund(self, wanted, key):
        try:
            return self.inner.refund(wanted, key)
        except StateConflict:
            return RefundSnapshot(
                reference="ref_none", payment=wanted.payment, amount=wanted.amount, state=RefundState.SUCCEEDED
            )


@noticed_by("test_a_refund_that_comes_back_is_told_as_failed")
class NeverSeesARefundFail(Mutant):
    def refund_of(self, reference):
        told = self.inner.refund_of(reference)
        return attrs.evolve(told, state=RefundState.SUCCEEDED) if told.state is RefundState.FAILED else told


@noticed_by(
    "test_what_was_charged_back_is_not_given_back_unseen", "test_a_charge_back_that_is_won_is_told_as_cancelled"
)
class SeesNoReversals(ReadsWrongly):
    def read(self, told):
        return attrs.evolve(told, reversals=())


# --- webhooks ---------------------------------------------------------------------------------------------------------


class ReadsNoticesWrongly(Mutant):
    def told(self, notice):
        return notice

    def notices(self, body, headers):
        return tuple(self.told(notice) for notice in self.inner.notices(body, headers))


@noticed_by("test_what_the_provider_signed_is_believed_without_asking_it")
class TellsNoZone(ReadsNoticesWrongly):
    def told(self, notice):
        return attrs.evolve(notice, happened_at=notice.happened_at.replace(tzinfo=None))


@noticed_by("test_what_the_provider_signed_is_believed_without_asking_it")
class AsksWhetherItIsTrue(ReadsNoticesWrongly):
    def told(self, notice):
        self.inner.payment(notice.reference)
        return notice


@noticed_by("test_no_error_of_it_shows_a_secret")
class SaysWhatItExpected(Mutant):
    def notices(self, body, headers):
        try:
            return self.inner.notices(body, headers)
        except WebhookRejected as error:
            raise WebhookRejected("memory", f"{error.reason}, not {self.bench.secrets[-1]}") from None


@noticed_by("test_two_secrets_are_good_while_one_replaces_the_other")
class KnowsOneSecret(MemoryGateway):
    def __init__(self, *, provider, webhook_secrets):
        super().__init__(provider=provider, webhook_secrets=webhook_secrets and webhook_secrets[:1])


@noticed_by("test_the_same_webhook_again_is_the_same_notices")
class NumbersEventsItself(ReadsNoticesWrongly):
    def told(self, notice):
        return attrs.evolve(notice, id=f"evt-{next(numbers)}")


@noticed_by("test_a_kind_of_event_that_nobody_knows_is_about_nothing")
class TakesAnyKindForAPayment(ReadsNoticesWrongly):
    def told(self, notice):
        return attrs.evolve(notice, about=About.PAYMENT)


@noticed_by("test_what_was_not_made_by_us_is_told_without_a_key")
class HasAKeyForEverything(ReadsNoticesWrongly):
    def told(self, notice):
        return attrs.evolve(notice, key=notice.key or "unknown")


@noticed_by("test_no_notice_names_a_person")
class NamesThePayer(ReadsNoticesWrongly):
    def told(self, notice):
        return attrs.evolve(notice, kind=f"{notice.kind} by {EMAIL}")


@noticed_by("test_a_method_given_up_at_the_bank_is_told_of_and_charged_no_more")
class TellsOfPaymentsOnly(Mutant):
    def notices(self, body, headers):
        return tuple(each for each in self.inner.notices(body, headers) if each.about is About.PAYMENT)


# --- what was missed, and manners -------------------------------------------------------------------------------------


@noticed_by("test_whatever_was_delivered_can_be_asked_for_too")
class MissesSome(Mutant):
    def missed(self, since, cursor=None):
        page = self.inner.missed(since, cursor)
        return NoticePage(notices=page.notices[::2], cursor=page.cursor)


@noticed_by("test_who_stops_between_two_pages_goes_on_where_it_was")
class LosesOneBetweenPages(Mutant):
    def missed(self, since, cursor=None):
        page = self.inner.missed(since, cursor)
        return NoticePage(notices=page.notices[cursor is not None :], cursor=page.cursor)


@noticed_by("test_sixteen_threads_share_a_gateway")
class RemembersOneChargeForAllThreads(Mutant):
    def charge(self, wanted, key):
        self.wanted, self.key = wanted, key  # as a client with a session remembers
        time.sleep(0.005)  # and another thread comes between
        return self.inner.charge(self.wanted, self.key)


@noticed_by("test_closing_it_twice_is_closing_it")
class LeavesAThreadBehind(Mutant):
    def __init__(self, inner, bench):
        super().__init__(inner, bench)
        self.over = Event()
        Thread(target=self.over.wait, args=(5,), daemon=True).start()

    def __del__(self):
        self.over.set()


@noticed_by("test_closing_it_twice_is_closing_it")
class ClosesOnce(Mutant):
    closed = False

    def close(self):
        if self.closed:
            raise InvoicecoreError("closed already")
        self.closed = True


@noticed_by("test_it_says_who_it_is")
class IsNobody(Mutant):
    """What it sends has no name: seen where requests arrive."""

    def __init__(self, inner, bench):
        super().__init__(inner, bench)
        seen = bench.inner.exchanges
        bench.exchanges = lambda: [attrs.evolve(each, headers={"user-agent": "python"}) for each in seen()]


# --- the proof --------------------------------------------------------------------------------------------------------


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


def benches_of(mutant):
    """Benches whose gateways are wrong: wrapped, or gateways in memory of another class."""
    if issubclass(mutant, Mutant):
        return mutated(MemoryBench, mutant)
    return type(f"BenchOf{mutant.__name__}", (MemoryBench,), {"gateways": mutant})


PAIRS = [
    pytest.param(mutant, test, id=f"{mutant.__name__}-{test}") for mutant, tests in NOTICED.items() for test in tests
]


@pytest.mark.parametrize("mutant, test", PAIRS)
def test_the_contract_notices(mutant, test):
    with pytest.raises(
        (AssertionError, InvoicecoreError, KeyError, UnicodeError, pytest.fail.Exception, BaseExceptionGroup)
    ):
        play(GatewayContract, test, benches_of(mutant))


@pytest.mark.parametrize("test", sorted({test for tests in NOTICED.values() for test in tests}))
def test_the_contract_finds_nothing_where_there_is_nothing(test):
    play(GatewayContract, test, MemoryBench)
    play(GatewayContract, test, mutated(MemoryBench, Mutant))  # one that changes nothing


def test_every_test_of_the_contract_can_fail():
    tests = {name for name, _ in inspect.getmembers(GatewayContract) if name.startswith("test_")}
    named = {test for tests in NOTICED.values() for test in tests}
    assert named == tests, "give each new test a mutant that it notices"


def test_every_mutant_that_is_shipped_is_noticed():
    assert set(MUTANTS.values()) <= set(NOTICED)
    assert {name.rstrip("b") for name in MUTANTS} == {f"M{n}" for n in range(1, 22)}
    assert MutatedBench(MemoryBench(), Mutant).gateway().info == MemoryGateway().info
