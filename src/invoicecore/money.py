"""Money that is exact: the only door through which an amount comes in, is multiplied, or is split (M5, M8, M10, M11).

Inside this module everything happens in whole minor units (`int`) or exact fractions of them; a `Decimal` is only the
shape in which an amount enters and leaves. Nothing here reads the thread's decimal context, so a host that lowered its
precision still gets the same cents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow, Underflow
from fractions import Fraction
from math import lcm
from typing import Final, NoReturn

from moneyed import Currency, CurrencyDoesNotExist, Money, get_currency

from invoicecore.errors import CurrencyMismatch, InvalidMoney, InvalidValue

__all__ = [
    "MAX_MINOR",
    "MIN_MINOR",
    "Currency",
    "Money",
    "allocate",
    "currency_of",
    "decimals",
    "exact",
    "fixed",
    "from_minor",
    "half_up",
    "minor",
    "positive",
    "split_exact",
    "times",
    "total",
    "zero",
]

MAX_MINOR: Final = 2**63 - 1
"""The largest amount in minor units: what a signed 64-bit column holds (M8)."""

MIN_MINOR: Final = -(2**63)
"""The smallest amount in minor units: what a signed 64-bit column holds (M8)."""

# Looked at before a Decimal becomes an int: expanding 1E+999999 would take a while only to be refused.
_TOO_MANY_DIGITS: Final = 20

# Shared by every thread: only its traps and precision are read; its flags are written and never looked at.
# Inexact is trapped, so an operation that would lose a digit raises instead of rounding.
_EXACT: Final = Context(prec=64, traps=[Inexact, InvalidOperation, Overflow, Underflow])

# A weight, quantity or percentage beyond this many digits either side of the point is a mistake, and turning
# Decimal("1E+999999") into a fraction would take minutes.
_MAX_DIGITS: Final = 40


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


# ISO 4217 gives X-codes to metals, funds, tests and units of account; these five are spent in shops.
_CIRCULATING_X: Final = _codes("XAF XCD XCG XOF XPF")

# Written out, not asked from CLDR: an upgrade of a locale database must not change which stored invoices can be read.
_FUNDS: Final = _codes("BOV CHE CHW CLF CNH CNX COU ECV ESA ESB MXV USN USS UYI UYW")
_PLACES_NOT_CURRENCIES: Final = _codes("IMP TVD")  # Manx and Tuvaluan notes are not in ISO 4217
_WITHDRAWN: Final = _codes(
    """ADP AFA ALK ANG AOK AON AOR ARA ARL ARM ARP ATS AZM BAD BAN BEC BEF BEL BGL BGM BGO BOL BOP BRB BRC BRE BRN BRR
    BRZ BUK BYB BYR CLE CSD CSK CUC CYP DDM DEM ECS EEK ESP FIM FRF GEK GHC GNS GQE GRD GWE GWP HRD HRK IEP ILP ILR ISJ
    ITL KRH KRO LTL LTT LUC LUF LUL LVL LVR MAF MCF MDC MGF MKN MLF MRO MTL MTP MVP MXP MZE MZM NIC NLG PEI PES PLZ PTE
    RHD ROL RUR SDD SDP SIT SKK SLL SRG STD SUR SVC TJR TMM TPE TRL UAK UGS UYP VEB VED VEF VNN YDD YUD YUM YUN YUR ZAL
    ZMK ZRN ZRZ ZWD ZWL ZWN ZWR"""
)

# code → (moneyed's own Currency, decimals); filled with currencies that passed the guard, so a hit is proof.
_known: dict[str, tuple[Currency, int]] = {}


class _Fixed(Money):
    """Money that stays what it is, and so does what it is added to or multiplied by.

    moneyed's own can be assigned to: a host or a gateway that was shown an invoice would change what a store in memory
    keeps, and every other record of a page read from any store that has the same amount.
    """

    def __init__(self, amount: object = 0, currency: str | Currency | None = None) -> None:
        if not (isinstance(amount, Decimal) and isinstance(currency, Currency)):
            plain = Money(amount, currency)  # type: ignore[arg-type]  # it says itself what it does not take
            amount, currency = plain.amount, plain.currency
        _assign(self, "amount", amount)
        _assign(self, "currency", currency)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"the {name} of money is not changed in place; make another one, such as total * 2")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"the {name} of money is not taken away; make another one, such as total * 2")


_assign: Final = object.__setattr__
_new: Final = object.__new__


def _made(amount: Decimal, currency: Currency) -> Money:
    made = _new(_Fixed)  # what its constructor does, at half the cost
    _assign(made, "amount", amount)
    _assign(made, "currency", currency)
    return made


def fixed(money: Money) -> Money:
    """The same money, which nobody can assign to any more; what is no Money is left for `exact` to refuse."""
    return _Fixed(money.amount, money.currency) if type(money) is not _Fixed and isinstance(money, Money) else money


def currency_of(code: str, field: str = "currency") -> Currency:
    """The circulating currency of a three-letter ISO 4217 code, as moneyed's table has it.

    Metals, funds, units of account, test codes and withdrawn currencies are refused (M8).
    Raises InvalidValue with `field` named.
    """
    return _look_up(code, field)[0]


def decimals(currency_code: str) -> int:
    """How many decimals a currency has, from its `sub_unit`: JPY 0, EUR 2, KWD 3 (M11).

    Every sub-unit of moneyed's table is a power of ten: it gives MGA and MRU a hundred (as ISO 4217 does), although
    their coins count in fifths. A currency a host registers with any other sub-unit is refused: an amount in it would
    have no exact decimal form. Raises InvalidValue.
    """
    return (_known.get(currency_code) or _look_up(currency_code))[1]


def exact(value: object, field: str = "amount", *, currency: str | None = None) -> Money:
    """Money as it is let in: a fresh copy whose amount has exactly its currency's decimals (M8, R4).

    `currency` is the code it must have. `1.500` EUR is `1.50` EUR; `1.505` EUR is refused, as are floats, integers,
    strings, NaN, infinity, currencies that do not circulate, and amounts beyond 64 bits of minor units.
    A copy, because a caller could still assign to the attributes of the Money it handed over; nobody can to those of
    this one, nor to those of what is worked out from it.
    Raises InvalidMoney, or CurrencyMismatch for another currency than the expected one; both name `field`.
    """
    if not isinstance(value, Money):
        raise InvalidMoney(
            field, value, f"a {type(value).__name__} is not money", "write Money('12.50', 'EUR'), the amount in quotes"
        )
    if not isinstance(value.currency, Currency):  # only by assignment after construction
        raise InvalidMoney(field, value, "its currency is not a Currency", "build a new Money('12.50', 'EUR') instead")
    code = value.currency.code
    if currency is not None:
        expected = _look_up(currency)[0].code
        if code != expected:
            raise CurrencyMismatch(field, value, f"is in {code} where {expected} is expected", f"give it in {expected}")
    try:
        known, places = _look_up(code, field)
    except InvalidValue as error:
        raise InvalidMoney(field, value, error.reason, error.way_out) from error
    return _made(Decimal(_whole_minor(value, field, places)).scaleb(-places, _EXACT), known)


def positive(value: object, field: str = "amount", *, currency: str | None = None) -> Money:
    """Money greater than zero, guarded like `exact` (R4).

    Raises InvalidMoney or CurrencyMismatch with `field` named.
    """
    money = exact(value, field, currency=currency)
    if money.amount <= 0:
        raise InvalidMoney(field, money, "must be greater than zero", "give a positive amount")
    return money


def minor(money: Money) -> int:
    """The amount in whole minor units: 12.50 EUR is 1250, 12 JPY is 12, 1.250 KWD is 1250 (M8, M11).

    Raises InvalidMoney for whatever `exact` refuses.
    """
    try:
        scaled = money.amount.scaleb(_known[money.currency.code][1], _EXACT)
        if scaled.adjusted() < _TOO_MANY_DIGITS:
            whole = int(scaled)
            if whole == scaled and MIN_MINOR <= whole <= MAX_MINOR:
                return whole
    except (KeyError, AttributeError, ArithmeticError, ValueError):
        pass  # a currency met for the first time, or a fault that the guard puts into words
    guarded = exact(money)
    return _whole_minor(guarded, "amount", decimals(guarded.currency.code))


def from_minor(amount: int, currency: str, field: str = "amount") -> Money:
    """Money from whole minor units: 1250 and "EUR" make 12.50 EUR (M8, M11).

    Raises InvalidMoney outside of 64 bits or for anything but an `int`, InvalidValue for an unknown currency.
    """
    known, places = _known.get(currency) or _look_up(currency)
    given: object = amount
    if type(given) is not int:
        raise InvalidMoney(
            field, given, f"a {type(given).__name__} is not minor units", "give whole minor units as an int"
        )
    if not MIN_MINOR <= given <= MAX_MINOR:
        raise _out_of_range(field, given)
    return _made(Decimal(given).scaleb(-places, _EXACT), known)


def unbounded(amount: int, currency: str) -> Money:
    """A sum in minor units as Money, past 64 bits too: single amounts are bounded, what they add up to is not (R16)."""
    known, places = _known.get(currency) or _look_up(currency)
    return _made(Decimal(amount).scaleb(-places, _EXACT), known)


def zero(currency: str) -> Money:
    """No money at all, in a currency; a fresh value each time.

    Raises InvalidValue for an unknown currency.
    """
    return from_minor(0, currency)


def total(moneys: Iterable[Money], currency: str) -> Money:
    """The sum of any number of amounts of one currency; of none it is zero (M10).

    Raises CurrencyMismatch for an amount in another currency, InvalidMoney for one that is not exact or a sum beyond
    64 bits of minor units.
    """
    expected = currency_of(currency).code
    summed = 0
    for money in moneys:
        summed += minor(money)
        if money.currency.code != expected:
            exact(money, currency=expected)  # raises, and says why
    return from_minor(summed, expected, "total")


def half_up(value: Fraction) -> int:
    """The nearest whole number, halves away from zero: 2.5 is 3, -2.5 is -3 (M4)."""
    whole = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return whole if value.numerator >= 0 else -whole


def times(money: Money, quantity: Decimal | int) -> Money:
    """Unit price times quantity, rounded half-up once to the currency's minor unit (M10).

    A quantity may be negative or have decimals, up to 40. Raises InvalidValue for a float, NaN or infinite quantity
    (field
    "quantity"), InvalidMoney for a price or result that `exact` would refuse.
    """
    unit = exact(money)
    return from_minor(half_up(minor(unit) * _fraction(quantity, "quantity", (int, Decimal))), unit.currency.code)


def allocate(money: Money, weights: Sequence[int | Decimal | Fraction]) -> tuple[Money, ...]:
    """Money split in proportion to weights so that the parts add up exactly (M5).

    One part per weight, in order; each is within one minor unit of its exact share, and what is left over goes to the
    largest remainders, the earlier one on a tie. A negative amount is split as its mirror image; a weight of zero gets
    nothing. Raises InvalidValue (field "weights") when they are none, negative, all zero, or not exact numbers, and
    InvalidMoney for what `exact` refuses.
    """
    whole = exact(money)
    amount, code = minor(whole), whole.currency.code
    shares = _whole_weights(weights)
    divisor = sum(shares)
    size = abs(amount)
    parts = [size * share // divisor for share in shares]
    _hand_out(size - sum(parts), parts, [size * share % divisor for share in shares])
    return tuple(from_minor(part if amount >= 0 else -part, code) for part in parts)


def split_exact(parts: Sequence[Fraction], currency: str) -> tuple[Money, ...]:
    """Exact fractions of minor units, rounded together: the results add up to half_up of their sum (M5, M9).

    One amount per part, in order, each less than one minor unit from the exact one; largest remainder, ties by order,
    and a negative sum is the mirror image of the positive one. No parts make no amounts. Raises InvalidValue (field
    "parts") for anything but Fraction or int, InvalidMoney beyond 64 bits of minor units.
    """
    fractions = [_fraction(part, "parts", (int, Fraction)) for part in parts]
    if len(fractions) == 1:  # by far the commonest: nothing to hand out
        return (from_minor(half_up(fractions[0]), currency),)
    exact_sum = sum(fractions, Fraction(0))
    sign = -1 if exact_sum < 0 else 1
    mirrored = [sign * part for part in fractions]
    floors = [part.numerator // part.denominator for part in mirrored]
    rests = [part - floor for part, floor in zip(mirrored, floors, strict=True)]
    _hand_out(half_up(sign * exact_sum) - sum(floors), floors, rests)
    return tuple(from_minor(sign * part, currency) for part in floors)


def _hand_out(left: int, parts: list[int], remainders: Sequence[int | Fraction]) -> None:
    # sorted() is stable, so equal remainders keep their order. `left` never exceeds the number of parts with a
    # remainder: floors lose less than one unit each.
    for index in sorted(range(len(parts)), key=lambda i: -remainders[i])[:left]:
        parts[index] += 1


def _whole_weights(weights: Sequence[int | Decimal | Fraction]) -> list[int]:
    if isinstance(weights, str | Mapping) or not isinstance(weights, Iterable):
        raise InvalidValue("weights", weights, "is not a list of weights", "give a list of numbers")
    fractions = [_weight(weight) for weight in weights]
    if not fractions:
        raise InvalidValue("weights", weights, "there is nobody to give it to", "give at least one weight")
    if not any(fractions):
        raise InvalidValue("weights", weights, "all weights are zero", "give at least one weight above zero")
    shared = lcm(*(fraction.denominator for fraction in fractions))
    return [fraction.numerator * (shared // fraction.denominator) for fraction in fractions]


def _weight(weight: object) -> Fraction:
    fraction = _fraction(weight, "weights", (int, Decimal, Fraction))
    if fraction < 0:
        raise InvalidValue("weights", weight, "a weight is below zero", "give weights of zero or more")
    return fraction


def _fraction(number: object, field: str, kinds: tuple[type[int | Decimal | Fraction], ...]) -> Fraction:
    if not isinstance(number, kinds) or isinstance(number, bool):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise InvalidValue(field, number, f"a {type(number).__name__} is not an exact number", f"give {names}")
    if isinstance(number, Decimal):
        if not number.is_finite():
            raise InvalidValue(field, number, "is not a finite number", "give a finite number")
        exponent = number.as_tuple().exponent
        if not isinstance(exponent, int) or exponent < -_MAX_DIGITS or number.adjusted() > _MAX_DIGITS:
            raise InvalidValue(
                field, number, f"has more than {_MAX_DIGITS} digits on one side of the point", "round it before"
            )
    return Fraction(number)


def _whole_minor(money: Money, field: str, places: int) -> int:
    amount: object = money.amount
    if not isinstance(amount, Decimal):  # only by assignment after construction: Money itself makes a Decimal
        raise InvalidMoney(
            field, amount, f"its amount is a {type(amount).__name__}", "build a new Money('12.50', 'EUR') instead"
        )
    if not amount.is_finite():
        raise InvalidMoney(field, money.amount, "is not a finite amount", "give a finite amount")
    if not amount:
        return 0
    if amount.adjusted() + places >= _TOO_MANY_DIGITS:
        raise _out_of_range(field, money)
    try:
        scaled = amount.scaleb(places, _EXACT)
        whole = int(scaled)
        lossless = whole == scaled
    except DecimalException:
        lossless = False
    if not lossless:
        code = money.currency.code
        raise InvalidMoney(field, money, f"has more decimals than {code} has ({places})", "round it before")
    if not MIN_MINOR <= whole <= MAX_MINOR:
        raise _out_of_range(field, money)
    return whole


def _out_of_range(field: str, value: object) -> InvalidMoney:
    return InvalidMoney(field, value, "is beyond 64 bits of minor units", "split it into smaller amounts")


def _look_up(code: object, field: str = "currency") -> tuple[Currency, int]:
    if not isinstance(code, str):
        raise InvalidValue(field, code, "is not a currency code", "give three capital letters, such as 'EUR'")
    found = _known.get(code)
    if found is not None:
        return found
    try:
        currency = get_currency(code)
    except CurrencyDoesNotExist:
        raise InvalidValue(
            field, code, "is not a known currency", "give an ISO 4217 code in capitals, such as 'EUR'"
        ) from None
    if code in _FUNDS or code in _PLACES_NOT_CURRENCIES or (code.startswith("X") and code not in _CIRCULATING_X):
        raise InvalidValue(
            field, code, "is a metal, fund or test code, not money in circulation", "give the currency people pay in"
        )
    if code in _WITHDRAWN:
        raise InvalidValue(field, code, "is withdrawn from circulation", "give the currency that replaced it")
    digits = str(currency.sub_unit)
    if digits.strip("0") != "1":
        raise InvalidValue(
            field, code, f"its sub-unit is 1/{digits}, which has no decimal form", "register it with a power of ten"
        )
    _known[code] = (currency, len(digits) - 1)
    return _known[code]
