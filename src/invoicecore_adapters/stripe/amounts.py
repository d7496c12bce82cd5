"""The provider's minor units, which are not always ISO's: what they are, and the least that can be charged.

Source: docs.stripe.com/currencies. Nothing is ever rounded: what its units cannot carry is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from invoicecore.errors import InvalidMoney, InvalidRequest
from invoicecore.money import Money, decimals, from_minor, minor, positive
from invoicecore_adapters.stripe.reading import NAME, Json, Unreadable, needed, whole

_ZERO_DECIMAL: Final = frozenset("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split())
_THREE_DECIMAL: Final = frozenset("BHD JOD KWD OMR TND".split())  # their last digit must be 0

CURRENCIES: Final = frozenset(
    """AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CLP CNY
    COP CRC CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK JMD
    JOD JPY KES KGS KHR KMF KRW KWD KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD
    NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RWF SAR SBD SCR SEK SGD SHP SLE SOS SRD STN SZL THB
    TJS TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VND VUV WST XAF XCD XOF XPF YER ZAR ZMW""".split()
)
"""The currencies that cards can be charged in."""

LEAST: Final[Mapping[str, int]] = {
    **dict.fromkeys("AUD BRL CAD CHF EUR INR JPY NZD SGD USD".split(), 50),
    **dict.fromkeys("AED MYR PLN RON".split(), 200),
    **dict.fromkeys("NOK SEK".split(), 300),
    **dict.fromkeys("MXN THB".split(), 1000),
    "CZK": 1500,
    "DKK": 250,
    "GBP": 30,
    "HKD": 400,
    "HUF": 17500,
}
"""The smallest charge in our minor units, where the provider names one."""


def to_provider(amount: Money, operation: str, *, least: bool = True) -> int:
    """An amount in the provider's minor units: 5 ISK is 500, 12.50 EUR is 1250, 500 JPY is 500.

    Raises InvalidRequest for what is not money above zero, for what its units cannot carry (5.50 MGA, 1.255 KWD), and
    with `least` for less than can be charged.
    """
    try:
        ours = minor(positive(amount))
    except InvalidMoney as error:
        raise InvalidRequest(NAME, operation, f"the amount is refused: {error.reason}") from None
    code = amount.currency.code
    if least and ours < LEAST.get(code, 0):
        raise InvalidRequest(NAME, operation, f"{amount} is less than can be charged in {code}")
    theirs, rest = _rescaled(ours, decimals(code), _places(code))
    if rest:
        raise InvalidRequest(NAME, operation, f"{amount} has more decimals than {code} has there")
    if code in _THREE_DECIMAL and theirs % 10:
        raise InvalidRequest(NAME, operation, f"{amount} must end in 0: the third decimal of {code} is not carried")
    return theirs


def of_provider(of: Json, name: str = "amount") -> Money:
    """An amount of one of the provider's objects, in the object's currency; Unreadable when it is not whole there."""
    code = needed(of, "currency").upper()
    ours, rest = _rescaled(whole(of, name), _places(code), decimals(code))
    if rest:
        raise Unreadable(f"{name} has decimals that {code} has not")
    return from_minor(ours, code)


def _places(code: str) -> int:
    return 0 if code in _ZERO_DECIMAL else 3 if code in _THREE_DECIMAL else 2


def _rescaled(amount: int, places: int, wanted: int) -> tuple[int, int]:
    factor: int = 10 ** abs(wanted - places)
    return (amount * factor, 0) if wanted >= places else divmod(amount, factor)
