"""Amounts as Stripe writes them: whole numbers of a currency's smallest unit, which is not always the real one."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from invoicecore.money import Money, exact
from invoicecore_adapters.simulators.stripe.refusals import refused

ZERO_DECIMAL: Final = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
"""Currencies sent in whole units."""

PADDED: Final = frozenset("isk ugx".split())
"""Currencies without decimals that are sent as if they had two, which must be 00."""

THREE_DECIMAL: Final = frozenset("bhd jod kwd omr tnd".split())
"""Currencies with three decimals of which the last must be 0."""

TWO_DECIMAL: Final = frozenset(
    """aed afn all amd aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny cop crc
    cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils inr jmd kes kgs khr
    kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen
    pgk php pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle sos srd szl thb tjs top try ttd twd tzs uah usd
    uyu uzs wst xcd yer zar zmw""".split()
)
"""The other currencies Stripe charges in, but for the few that our own money does not know."""

LEAST: Final = {
    "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50, "gbp": 30,
    "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50, "pln": 200,
    "ron": 200, "sek": 300, "sgd": 50, "thb": 1000, "usd": 50,
}  # fmt: skip
"""The smallest charge, where Stripe names one."""

_MOST: Final = 99_999_999


def checked(amount: int, currency: str, *, param: str = "amount", least: bool = True) -> None:
    """Refuse an amount Stripe refuses; `least` is False for a refund, which may be of one cent."""
    code = currency.lower()
    if code not in ZERO_DECIMAL | PADDED | THREE_DECIMAL | TWO_DECIMAL:
        raise refused(f"Invalid currency: {currency}.", param="currency")
    if amount < 1:
        raise refused("This value must be greater than or equal to 1.", code="parameter_invalid_integer", param=param)
    if amount > _MOST:
        raise refused("Amount must be no more than 999,999.99", code="amount_too_large", param=param)
    if code in PADDED and amount % 100:
        raise refused(f"Invalid amount: {currency} has no decimals, so it must end in 00", param=param)
    if code in THREE_DECIMAL and amount % 10:
        raise refused(f"Invalid amount: the last digit in {currency} must be 0", param=param)
    if least and amount < LEAST.get(code, 1):
        raise refused(
            f"Amount must convert to at least 50 cents; {LEAST[code]} is the least in {currency}.",
            code="amount_too_small",
            param=param,
        )


def money(amount: int, currency: str) -> Money:
    """What an amount really is."""
    code = currency.lower()
    places = 0 if code in ZERO_DECIMAL else 3 if code in THREE_DECIMAL else 2
    return exact(Money(Decimal(amount).scaleb(-places), code.upper()))
