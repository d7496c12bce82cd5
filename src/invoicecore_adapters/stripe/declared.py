"""What the gateway declares: its methods, their currencies, and what each of them can do."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from invoicecore.payments import PaymentMethod
from invoicecore.ports import Capability, GatewayInfo, Lookup, MethodSpec
from invoicecore_adapters.stripe.amounts import CURRENCIES, LEAST
from invoicecore_adapters.stripe.reading import NAME

API_VERSION: Final = "2026-10-28.endive"
"""The version of the provider's API that is asked for, whatever the account or the SDK would choose."""

DEBITS: Final = {
    "EUR": "sepa_core",
    "GBP": "bacs",
    "USD": "ach",
    "CAD": "pad",
    "AUD": "becs",
}
"""Currency → the scheme whose debits are in it."""

_CARD: Final = frozenset(Capability) - {Capability.RETRY, Capability.CHARGE_DATE}
_DEBIT: Final = _CARD - {Capability.CANCEL}  # a debit is on its way at once

_REVERSIBLE: Final = {
    "sepa_core": timedelta(days=396),  # 13 months when it was not authorised
    "ach": timedelta(days=60),
    "pad": timedelta(days=90),
}


def _debit(currency: str, scheme: str) -> MethodSpec:
    return MethodSpec(
        kind=PaymentMethod.DIRECT_DEBIT,
        scheme=scheme,
        currencies=frozenset({currency}),
        can=_DEBIT,
        synchronous=False,
        reversible_for=_REVERSIBLE.get(scheme),
        least={currency: LEAST[currency]},
    )


INFO: Final = GatewayInfo(
    name=NAME,
    methods=(
        MethodSpec(
            kind=PaymentMethod.CARD,
            scheme="card",
            currencies=CURRENCIES,
            can=_CARD,
            reversible_for=timedelta(days=540),  # the networks' outer limit; most disputes come within 120 days
            least=LEAST,
        ),
        *(_debit(currency, scheme) for currency, scheme in DEBITS.items()),
    ),
    key_window=timedelta(hours=24),
    # Its lists are not documented to show at once what was just made.
    lookup=Lookup.FINDS_IF_PRESENT,
    provider_api_version=API_VERSION,
    signed_timestamp=True,
)
