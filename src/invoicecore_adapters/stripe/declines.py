"""Why a payment was declined: the provider's codes in our vocabulary (docs.stripe.com/declines/codes, /error-codes)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from invoicecore.collection import Advice, Decline, DeclineCode
from invoicecore_adapters.stripe.reading import Json, text

_Meaning = tuple[DeclineCode, Advice]


def _all(codes: str, code: DeclineCode, advice: Advice) -> dict[str, _Meaning]:
    return dict.fromkeys(codes.split(), (code, advice))


MEANINGS: Final[Mapping[str, _Meaning]] = {
    **_all("insufficient_funds", DeclineCode.INSUFFICIENT_FUNDS, Advice.RETRY_LATER),
    **_all("call_issuer do_not_honor generic_decline card_declined", DeclineCode.DECLINED, Advice.PAYER_ACTION),
    **_all(
        "no_action_taken not_permitted service_not_allowed transaction_not_allowed revocation_of_authorization",
        DeclineCode.DECLINED,
        Advice.PAYER_ACTION,
    ),
    **_all(
        "card_not_supported currency_not_supported merchant_blacklist security_violation fraudulent do_not_try_again "
        "revocation_of_all_authorizations stop_payment_order testmode_decline restricted_card bank_account_declined "
        "payment_method_currency_mismatch payment_method_restricted payment_method_unsupported_type "
        "payment_method_provider_decline",
        DeclineCode.DECLINED,
        Advice.NEW_METHOD,
    ),
    **_all(
        "expired_card expired_payment_method invalid_expiry_month invalid_expiry_year new_account_information_available",
        DeclineCode.EXPIRED,
        Advice.NEW_METHOD,
    ),
    **_all(
        "incorrect_number invalid_number incorrect_cvc invalid_cvc incorrect_address incorrect_zip invalid_account "
        "account_number_invalid account_information_mismatch bank_account_bad_routing_numbers bank_account_unusable "
        "no_account sepa_unsupported_account account_invalid",
        DeclineCode.INCORRECT_DETAILS,
        Advice.NEW_METHOD,
    ),
    **_all(
        "authentication_required authentication_not_handled payment_intent_authentication_failure approve_with_id "
        "mobile_device_authentication_required offline_pin_required online_or_offline_pin_required incorrect_pin "
        "invalid_pin pin_try_exceeded",
        DeclineCode.AUTHENTICATION_REQUIRED,
        Advice.PAYER_ACTION,
    ),
    **_all("account_closed bank_account_restricted", DeclineCode.ACCOUNT_CLOSED, Advice.NEW_METHOD),
    **_all(
        "debit_not_authorized payment_intent_mandate_invalid billing_invalid_mandate "
        "india_recurring_payment_mandate_canceled",
        DeclineCode.MANDATE_CANCELLED,
        Advice.NEW_METHOD,
    ),
    **_all("payment_method_customer_decline", DeclineCode.PAYER_REFUSED, Advice.PAYER_ACTION),
    **_all("lost_card stolen_card pickup_card", DeclineCode.LOST_OR_STOLEN, Advice.NEW_METHOD),
    **_all(
        "card_velocity_exceeded withdrawal_count_limit_exceeded card_decline_rate_limit_exceeded "
        "charge_exceeds_source_limit charge_exceeds_transaction_limit",
        DeclineCode.LIMIT_EXCEEDED,
        Advice.RETRY_LATER,
    ),
    **_all("invalid_amount", DeclineCode.LIMIT_EXCEEDED, Advice.PAYER_ACTION),
    **_all(
        "issuer_not_available processing_error reenter_transaction try_again_later payment_method_provider_timeout "
        "payment_intent_payment_attempt_failed payment_intent_payment_attempt_expired",
        DeclineCode.PROCESSING_ERROR,
        Advice.RETRY_LATER,
    ),
    **_all("duplicate_transaction", DeclineCode.DECLINED, Advice.NEVER),
}
"""Decline code, or error code where there is none → what it means. What is not here is UNSPECIFIED."""


def decline_of(error: Json) -> Decline:
    """What an error of a card or a bank means; the decline code says more than the error code it comes in."""
    raw = text(error, "decline_code") or text(error, "code") or ""
    code, advice = MEANINGS.get(raw, (DeclineCode.UNSPECIFIED, Advice.PAYER_ACTION))
    return Decline(code=code, advice=advice, raw_code=raw)
