"""Why a bank said no: the causes GoCardless gives for a failed payment, in the one vocabulary of declines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from invoicecore.collection import Advice, Decline, DeclineCode

_CODE: Final = re.compile(r"[a-z0-9_]{1,80}")

CAUSES: Final[Mapping[str, tuple[DeclineCode, Advice]]] = {
    # "The customer's account had insufficient funds" is what GoCardless says of both.
    "insufficient_funds": (DeclineCode.INSUFFICIENT_FUNDS, Advice.RETRY_LATER),
    "refer_to_payer": (DeclineCode.INSUFFICIENT_FUNDS, Advice.RETRY_LATER),
    "bank_declined_payment": (DeclineCode.DECLINED, Advice.RETRY_LATER),
    "test_failure": (DeclineCode.DECLINED, Advice.RETRY_LATER),
    "daily_payment_limit_reached": (DeclineCode.LIMIT_EXCEEDED, Advice.RETRY_LATER),
    "debit_authority_limit_breached": (DeclineCode.LIMIT_EXCEEDED, Advice.NEW_METHOD),
    "payment_violated_mandate_parameters": (DeclineCode.LIMIT_EXCEEDED, Advice.NEW_METHOD),
    "bank_account_closed": (DeclineCode.ACCOUNT_CLOSED, Advice.NEW_METHOD),
    "bank_account_disabled": (DeclineCode.ACCOUNT_CLOSED, Advice.NEW_METHOD),
    "account_blocked_for_any_financial_transaction": (DeclineCode.ACCOUNT_CLOSED, Advice.NEW_METHOD),
    # The mandate follows to the new account; this payment went to the old one.
    "bank_account_transferred": (DeclineCode.ACCOUNT_CLOSED, Advice.RETRY_LATER),
    "invalid_bank_details": (DeclineCode.INCORRECT_DETAILS, Advice.NEW_METHOD),
    "direct_debit_not_enabled": (DeclineCode.INCORRECT_DETAILS, Advice.NEW_METHOD),
    "mandate_cancelled": (DeclineCode.MANDATE_CANCELLED, Advice.NEW_METHOD),
    "mandate_expired": (DeclineCode.MANDATE_CANCELLED, Advice.NEW_METHOD),
    "mandate_suspended_by_payer": (DeclineCode.MANDATE_CANCELLED, Advice.PAYER_ACTION),
    "payment_stopped": (DeclineCode.PAYER_REFUSED, Advice.PAYER_ACTION),
    "customer_approval_denied": (DeclineCode.PAYER_REFUSED, Advice.PAYER_ACTION),
    "insufficient_payment_permissions": (DeclineCode.AUTHENTICATION_REQUIRED, Advice.PAYER_ACTION),
    "authorisation_disputed": (DeclineCode.DISPUTED, Advice.NEVER),
    "return_on_odfi_request": (DeclineCode.DISPUTED, Advice.NEVER),
    "refund_requested": (DeclineCode.DISPUTED, Advice.NEVER),
}
"""GoCardless's `cause` of a failure → code and advice; its `reason_code` differs between banks and is not looked at."""


def cause_of(details: Mapping[str, Any]) -> str:
    """The stable key of why something happened; "" when there is none. A description is never shown: it is free text."""
    cause = details.get("cause")
    return cause if isinstance(cause, str) and _CODE.fullmatch(cause) else ""


def decline(details: Mapping[str, Any]) -> Decline:
    """The decline an event's details tell of; UNSPECIFIED for a cause that is not known here."""
    cause = cause_of(details)
    code, advice = CAUSES.get(cause, (DeclineCode.UNSPECIFIED, Advice.NEW_METHOD))
    return Decline(
        code=code, advice=advice, raw_code=cause, provider_will_retry=details.get("will_attempt_retry") is True
    )
