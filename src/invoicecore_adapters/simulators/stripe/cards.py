"""Payment methods: which there are, how they decline, and Stripe's names of test cards and test accounts."""

from __future__ import annotations

from typing import Any, Final

DEBITS: Final = {
    "eur": "sepa_debit",
    "usd": "us_bank_account",
    "gbp": "bacs_debit",
    "cad": "acss_debit",
    "aud": "au_becs_debit",
}
"""The bank debit of each currency that has one."""

SPECIAL: Final = {
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "incorrect_number": "Your card number is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
    "authentication_required": "Your card was declined. This transaction requires authentication.",
}
"""Decline codes that are the error's code too; with every other the code is `card_declined`."""

ADVICE: Final = {
    "insufficient_funds": "try_again_later",
    "processing_error": "try_again_later",
    "lost_card": "do_not_try_again",
    "stolen_card": "do_not_try_again",
    "expired_card": "confirm_card_data",
    "incorrect_cvc": "confirm_card_data",
    "incorrect_number": "confirm_card_data",
}

_DECLINES: Final = {
    "": "generic_decline",
    "InsufficientFunds": "insufficient_funds",
    "LostCard": "lost_card",
    "StolenCard": "stolen_card",
    "ExpiredCard": "expired_card",
    "IncorrectCvc": "incorrect_cvc",
    "ProcessingError": "processing_error",
    "VelocityLimitExceeded": "card_velocity_exceeded",
}

TEST_METHODS: Final[dict[str, tuple[str, str | None]]] = {
    "pm_card_visa": ("card", None),
    "pm_card_mastercard": ("card", None),
    "pm_card_chargeCustomerFail": ("card", "generic_decline"),
    "pm_card_authenticationRequired": ("card", "authentication_required"),
    **{f"pm_card_visa_chargeDeclined{name}": ("card", code) for name, code in _DECLINES.items()},
    **{f"pm_card_chargeDeclined{name}": ("card", code) for name, code in _DECLINES.items()},
    "pm_usBankAccount_success": ("us_bank_account", None),
    "pm_usBankAccount_insufficientFunds": ("us_bank_account", "insufficient_funds"),
    "pm_usBankAccount_accountClosed": ("us_bank_account", "account_closed"),
    "pm_sepaDebit_success": ("sepa_debit", None),
}
"""Stripe's names of test methods: their type, and the code they are declined with; sepaDebit is our own."""


def details(type: str) -> dict[str, Any]:
    """What a payment method of a type says of itself, under the type's name."""
    match type:
        case "card":
            return {
                "brand": "visa",
                "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
                "country": "US",
                "display_brand": "visa",
                "exp_month": 8,
                "exp_year": 2030,
                "fingerprint": "AOB934RVNwzk6xtn",
                "funding": "credit",
                "last4": "4242",
                "networks": {"available": ["visa"], "preferred": None},
                "three_d_secure_usage": {"supported": True},
                "wallet": None,
            }
        case "sepa_debit":
            return {
                "bank_code": "37040044",
                "branch_code": "",
                "country": "DE",
                "fingerprint": "vifs0Ho7vwRn1Miu",
                "generated_from": {"charge": None, "setup_attempt": None},
                "last4": "3000",
            }
        case "us_bank_account":
            return {
                "account_holder_type": "individual",
                "account_type": "checking",
                "bank_name": "STRIPE TEST BANK",
                "fingerprint": "FFDMA0xfhBjWSZLu",
                "last4": "6789",
                "networks": {"preferred": "ach", "supported": ["ach"]},
                "routing_number": "110000000",
                "status_details": {},
            }
        case "bacs_debit":
            return {"fingerprint": "9eMbmctOrd8i7DYa", "last4": "2345", "sort_code": "108800"}
        case "acss_debit":
            return {
                "bank_name": "STRIPE TEST BANK",
                "fingerprint": "zvRYGiMSd3ZHHkvw",
                "institution_number": "000",
                "last4": "6789",
                "transit_number": "11000",
            }
        case _:
            return {"bsb_number": "000000", "fingerprint": "lJ5V5vGm7kVRkqQK", "last4": "3456"}


def card_error(decline_code: str) -> dict[str, Any]:
    """The error of a declined card; a code nobody knows is told like any other."""
    code = decline_code if decline_code in SPECIAL else "card_declined"
    funds = "Your card has insufficient funds." if decline_code == "insufficient_funds" else "Your card was declined."
    error = {
        "code": code,
        "decline_code": decline_code,
        "doc_url": f"https://docs.stripe.com/error-codes/{code.replace('_', '-')}",
        "message": SPECIAL.get(decline_code, funds),
        "type": "card_error",
    }
    if decline_code in ADVICE:
        error["advice_code"] = ADVICE[decline_code]
    return error


def debit_error(code: str) -> dict[str, Any]:
    """The error of a bank debit that failed."""
    return {
        "code": code,
        "doc_url": f"https://docs.stripe.com/error-codes/{code.replace('_', '-')}",
        "message": "The customer's bank account could not be debited.",
        "type": "card_error",
    }
