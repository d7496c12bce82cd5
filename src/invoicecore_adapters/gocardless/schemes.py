"""What GoCardless offers: its Direct Debit schemes and its payments by bank, as data."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from invoicecore.payments import PaymentMethod
from invoicecore.ports import Capability, GatewayInfo, Lookup, MethodSpec

NAME: Final = "gocardless"

_ALWAYS: Final = frozenset(
    {
        Capability.REFUND,
        Capability.PARTIAL_REFUND,
        Capability.LOOKUP,
        Capability.WEBHOOKS,
        Capability.BACKFILL,
        Capability.LISTING,
    }
)
_DEBIT: Final = _ALWAYS | {
    Capability.SETUP,
    Capability.REVOKE,
    Capability.CHARGE,
    Capability.CHARGE_DATE,
    Capability.CANCEL,
    Capability.RETRY,
    Capability.DISPUTES,
}
_BY_BANK: Final = _ALWAYS | {Capability.CHECKOUT, Capability.EXPIRE}

_EIGHT_WEEKS: Final = timedelta(weeks=8)  # a SEPA debit is returned without a reason for so long


def _debit(scheme: str, currency: str, reversible_for: timedelta | None = None) -> MethodSpec:
    # For ever where no end is published: the Bacs guarantee has none.
    return MethodSpec(
        kind=PaymentMethod.DIRECT_DEBIT,
        scheme=scheme,
        currencies=frozenset({currency}),
        can=_DEBIT,
        synchronous=False,
        reversible_for=reversible_for,
    )


def _by_bank(scheme: str, currency: str) -> MethodSpec:
    # Banks do not take such a payment back, but GoCardless has them fail late, with no end to it.
    return MethodSpec(
        kind=PaymentMethod.TRANSFER,
        scheme=scheme,
        currencies=frozenset({currency}),
        can=_BY_BANK,
        synchronous=False,
    )


INFO: Final = GatewayInfo(
    name=NAME,
    methods=(
        _debit("bacs", "GBP"),
        _debit("sepa_core", "EUR", _EIGHT_WEEKS),
        _debit("ach", "USD"),
        _debit("autogiro", "SEK"),
        _debit("becs", "AUD"),
        _debit("becs_nz", "NZD"),
        _debit("betalingsservice", "DKK"),
        _debit("pad", "CAD"),
        _by_bank("faster_payments", "GBP"),
        _by_bank("sepa_credit_transfer", "EUR"),
    ),
    # How long a key is remembered is published nowhere; a day is what every provider keeps.
    key_window=timedelta(hours=24),
    # Lists are not promised to show at once what was just made.
    lookup=Lookup.FINDS_IF_PRESENT,
    provider_api_version="2015-07-06",
    bad_signature_status=498,
    most_events=250,
)
"""What the gateway declares of itself, the same for every account."""

LANGUAGES: Final = frozenset("da de en es fr it nb nl pt sl sv".split())
"""What its pages are written in."""

_NAMES: Final = {
    "ach": "ACH",
    "autogiro": "Autogiro",
    "bacs": "Bacs",
    "becs": "BECS",
    "becs_nz": "BECS NZ",
    "betalingsservice": "Betalingsservice",
    "pad": "PAD",
    "pay_to": "PayTo",
    "sepa_core": "SEPA",
    "sepa_cor1": "SEPA",
}
_CREDITS: Final = frozenset({"faster_payments", "sepa_credit_transfer", "sepa_instant_credit_transfer"})


def kind_of(scheme: str) -> PaymentMethod:
    """What a payment of a scheme is: money the payer sent through their bank, or a debit."""
    return PaymentMethod.TRANSFER if scheme in _CREDITS else PaymentMethod.DIRECT_DEBIT


def scheme_for(currency: str) -> str | None:
    """The Direct Debit scheme of a currency; None for a currency without one."""
    return next(
        (
            spec.scheme
            for spec in INFO.methods
            if spec.kind is PaymentMethod.DIRECT_DEBIT and currency in spec.currencies
        ),
        None,
    )


def label(scheme: str, ending: str) -> str:
    """How a payer knows their account again, its number masked: "Bank account ••••1234 (SEPA)"."""
    words = ["Bank account", f"••••{ending}" if ending else "", f"({_NAMES[scheme]})" if scheme in _NAMES else ""]
    return " ".join(word for word in words if word)
