"""What each command does: words in, one call of the desk, an answer out. No billing rule lives here."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Final

from invoicecore import Billing, Invoice, Plugins
from invoicecore.errors import BadFile
from invoicecore.parties import Biller
from invoicecore.wording import format_date, format_money, heading, say
from invoicecore_adapters.cli.answers import answer, error_data, invoice_data, summary_data
from invoicecore_adapters.cli.choosing import (
    Unclear,
    opened,
    spoken,
    the_amount,
    the_biller,
    the_billers,
    the_customer,
    the_invoice,
)
from invoicecore_adapters.cli.loading import WHATS, Heard, LoadReport, check, load
from invoicecore_adapters.cli.rows import SECTIONS
from invoicecore_adapters.cli.speech import tell

if TYPE_CHECKING:
    from invoicecore_adapters.cli.tables import Screen

_DONE, _PARTLY = 0, 3
_SHOWN = 10  # outcomes of a kind that a run tells people about; machines get all that the report keeps


def _day(billing: Billing, biller: Biller, on: date | None) -> date:
    return on if on is not None else billing.today(biller)


def _screen() -> Screen:
    from invoicecore_adapters.cli.tables import Screen

    return Screen()
