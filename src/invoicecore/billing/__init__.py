"""The desk: `Billing` and its journeys, one file each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from types import TracebackType

from invoicecore.billing.charging import Charges, DraftingCharges
from invoicecore.billing.collecting import Credits, Payments
from invoicecore.billing.desk import Desk
from invoicecore.billing.drafting import Drafting
from invoicecore.billing.leasing import Leases
from invoicecore.billing.outcomes import Report
from invoicecore.billing.publishing import Publishing
from invoicecore.billing.registering import Billers, Customers, Units
from invoicecore.billing.reporting import Reporting
from invoicecore.billing.reserving import Bookings, DraftingStays, Groups
from invoicecore.billing.running import Running
from invoicecore.clock import SystemClock
from invoicecore.parties import Biller
from invoicecore.plugins import Plugins
from invoicecore.ports import Clock, Store


class Invoices(Drafting, DraftingCharges, DraftingStays, Publishing, Reporting):
    """Invoices from draft to paid, void or refunded: `billing.invoices`."""


class Billing:
    """The desk of an application that bills: every verb is reached from here.

    Open one with `Billing.open(url)`, or wire a store, clock and plugins by hand. It may be shared between threads.
    """

    def __init__(
        self, store: Store, *, clock: Clock | None = None, plugins: Plugins | None = None, scope: str | None = None
    ) -> None:
        self._lent = False
        self._desk = Desk(store, clock or SystemClock(), plugins if plugins is not None else Plugins.of(), scope)
        self.billers = Billers(self._desk)
        self.units = Units(self._desk)
        self.customers = Customers(self._desk)
        self.charges = Charges(self._desk)
        self.leases = Leases(self._desk)
        self.bookings = Bookings(self._desk)
        self.groups = Groups(self._desk)
        self.invoices = Invoices(self._desk)
        self.payments = Payments(self._desk)
        self.credits = Credits(self._desk)

    @classmethod
    def open(cls, url: str, *, clock: Clock | None = None, plugins: Plugins | None = None) -> Billing:
        """A desk on the store that a URL names, such as `memory://`, with the installed plugins.

        `plugins` replaces the installed ones; give `Plugins.discover(mine)` to add to them. Raises PluginError for an
        unknown scheme, StoreError for a store that cannot be used, MissingExtra naming what to install.
        """
        found = plugins if plugins is not None else Plugins.discover()
        return cls(found.store(url), clock=clock, plugins=found)

    def scoped(self, biller: Biller | str) -> Billing:
        """A desk for which other billers do not exist: the same NotFound as for an id never given out (T1)."""
        ref = self.billers.get(biller).id
        desk = Billing(self._desk.store, clock=self._desk.clock, plugins=self._desk.plugins, scope=ref)
        desk._lent = True
        return desk

    def today(self, biller: Biller | str | None = None) -> date:
        """The biller's local date by this desk's clock, which every verb without `on` counts for (M1)."""
        return self._desk.today(self.billers.get(self._desk.biller_id(biller)))

    def run(
        self,
        *,
        on: date | None = None,
        biller: Biller | str | None = None,
        dry_run: bool = False,
        actor: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Report:
        """Invoice every lease period and client month due by a day, each once; harmless to repeat (S4–S7, S9, C9, M1).

        `on` is that civil date for every biller; None reads the clock once and uses each biller's local date. A dry
        run answers the same and writes nothing. One bad lease never stops the rest: see the report's `failed`. What
        a hook refuses is raised for one biller or for all, and is among the `failed` when others could be billed.
        `progress` is called with the count created after each page.
        """
        running = Running(self._desk, on=on, dry_run=dry_run, actor=actor, progress=progress)
        if biller is not None or self._desk.scope is not None:
            running.bill(self.billers.get(self._desk.biller_id(biller)))
        else:
            running.bill_each(self._each_biller())
        return running.report

    def _each_biller(self) -> Iterator[Biller]:
        after = ""
        while True:
            with self._desk.view() as tx:
                page = tx.billers(after=after)
            if not page:
                return
            yield from page
            after = page[-1].id

    def close(self) -> None:
        """Release the store's files and connections; a scoped desk leaves them to the desk it came from."""
        if not self._lent:
            self._desk.store.close()

    def __enter__(self) -> Billing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
