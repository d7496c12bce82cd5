"""The desk: `Billing` and its journeys, one file each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from datetime import date, datetime
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Final

from invoicecore.billing.alerting import Alerts
from invoicecore.billing.charging import Charges, DraftingCharges
from invoicecore.billing.crediting import CreditNotes
from invoicecore.billing.debiting import ChargingPayments, Collections
from invoicecore.billing.desk import Counted, Desk, again
from invoicecore.billing.documenting import DocumentingCustomers, DocumentingInvoices, DocumentingPayments
from invoicecore.billing.drafting import Drafting
from invoicecore.billing.leasing import Leases
from invoicecore.billing.linking import Linking
from invoicecore.billing.methods import Methods
from invoicecore.billing.notifying import Messages
from invoicecore.billing.outcomes import Attempts, Deliveries, Report
from invoicecore.billing.publishing import Publishing
from invoicecore.billing.recording import Credits, Recording
from invoicecore.billing.refunding import Refunding
from invoicecore.billing.registering import Billers, Registering, Units
from invoicecore.billing.reporting import Reporting
from invoicecore.billing.reserving import Bookings, DraftingStays, Groups
from invoicecore.billing.running import Running
from invoicecore.billing.sharding import Shard, Sharding
from invoicecore.billing.wiring import Wiring, usable
from invoicecore.clock import SystemClock
from invoicecore.errors import InvalidValue
from invoicecore.parties import Biller
from invoicecore.plugins import Plugins
from invoicecore.ports import Clock, Store

if TYPE_CHECKING:
    from invoicecore.billing.receiving import Received
    from invoicecore.billing.reconciling import Reconciliation
    from invoicecore.ports import Composer, Finding, GatewayInfo, Mailer, PaymentGateway, Renderer

_BILLERS: Final = 1000  # of a page of all there are


class Invoices(Drafting, DraftingCharges, DraftingStays, Publishing, Reporting, DocumentingInvoices):
    """Invoices from draft to paid, void or refunded: `billing.invoices`."""


class Customers(Registering, DocumentingCustomers):
    """Who pays: `billing.customers`."""


class Payments(Recording, ChargingPayments, Refunding, Linking, DocumentingPayments):
    """Money received and returned, its receipts, and the links to pay by: `billing.payments`."""


class Billing:
    """The desk of an application that bills: every verb is reached from here.

    Open one with `Billing.open(url)`, or wire a store, clock and plugins by hand. It may be shared between threads.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock | None = None,
        plugins: Plugins | None = None,
        wiring: Wiring | None = None,
        scope: str | None = None,
    ) -> None:
        self._lent = False
        plugged = plugins if plugins is not None else Plugins.of()
        self._desk = Desk(store, clock or SystemClock(), plugged, wiring or Wiring(plugged), scope)
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
        self.credit_notes = CreditNotes(self._desk)
        self.messages = Messages(self._desk)
        self.methods = Methods(self._desk)
        self.collections = Collections(self._desk)
        self.alerts = Alerts(self._desk)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        mailer: Mailer | str | None = None,
        renderer: Renderer | None = None,
        composer: Composer | None = None,
        gateway: PaymentGateway | str | Sequence[PaymentGateway | str] | None = None,
        base_url: str | None = None,
        clock: Clock | None = None,
        plugins: Plugins | None = None,
    ) -> Billing:
        """A desk on the store that a URL names, such as `memory://`, with the installed plugins.

        `mailer` and `gateway` are one of your own or the URL of one, as in `smtp://mail.example.com`; of several gateways
        the first that can do what is needed does it. Renderer and
        composer are the installed ones unless you give yours. `base_url` is where your app serves the pay pages.
        `plugins` replaces the installed ones; give `Plugins.discover(mine)` to add to them. Raises PluginError for an
        unknown scheme, StoreError for a store that cannot be used, MissingExtra naming what to install, InvalidValue
        for a URL or a base URL that is none and for a part that lacks what it is there for.
        """
        found = plugins if plugins is not None else Plugins.discover()
        if not isinstance(found, Plugins):
            raise InvalidValue("plugins", plugins, "is not Plugins", "give Plugins.of(…) or Plugins.discover(…)")
        if clock is not None:
            usable(clock, "clock", "now")
        wiring = Wiring(found, mailer=mailer, renderer=renderer, composer=composer, gateway=gateway, base_url=base_url)
        return cls(found.store(url), clock=clock, plugins=found, wiring=wiring)

    @property
    def gateways(self) -> tuple[GatewayInfo, ...]:
        """What each gateway here is and can do, in the order they were given."""
        return tuple(gateway.info for gateway in self._desk.wiring.gateways)

    def scoped(self, biller: Biller | str) -> Billing:
        """A desk for which other billers do not exist: the same NotFound as for an id never given out (T1)."""
        ref = self.billers.get(biller).id
        shared = self._desk
        desk = Billing(shared.store, clock=shared.clock, plugins=shared.plugins, wiring=shared.wiring, scope=ref)
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
        a hook refuses, or another writer keeps, is raised for one biller or for all, and is among the `failed` when
        others could be billed.
        `progress` is called with the count created after each page.
        """
        running = Running(self._desk, on=on, dry_run=dry_run, actor=actor, progress=progress)
        self._for(biller, running.bill, running.bill_each, ("billing.run", running.report))
        return running.report

    def shards(
        self, *, on: date | None = None, biller: Biller | str | None = None, size: int = 1000
    ) -> tuple[Shard, ...]:
        """A run cut into parts of `size` due leases at most, for workers to do in any order: see `run_shard`.

        One of each biller, then the next of each, for those of one biller wait for each other's numbers. Dates as for `run`. A lease that comes to be due later is in no part: cut again, as often as you like.
        """
        sharding = Sharding(self._desk, on=on, size=size)
        self._for(biller, sharding.cut, sharding.cut_each)
        return sharding.by_turns()

    def run_shard(self, shard: Shard, *, actor: str | None = None) -> Report:
        """Do one part of a run; however often it is done, and beside whatever else, each invoice is made once (N2).

        `Report.merged` puts the reports of the parts together. `existing` are what others invoiced of what was due
        when the run was cut: an earlier attempt that died, or a run beside it. Raises NotFound, Refused.
        """
        if not isinstance(shard, Shard):
            raise InvalidValue("shard", shard, "is not a Shard", "give one of billing.shards()")
        running = Running(self._desk, on=shard.on, dry_run=False, actor=actor, progress=None)
        with self._desk.journey("billing.run_shard", running.report, shard.biller):
            running.bill_shard(self._biller(shard.biller), shard)
        return running.report

    def remind(
        self,
        *,
        on: date | None = None,
        biller: Biller | str | None = None,
        dry_run: bool = False,
        actor: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Report:
        """Queue the reminders and charge the late fees that each biller's policy has due by a day (P3, S5).

        Each step of an invoice once, however often it is called; of steps that were missed only the latest. It stops
        at balance zero, void, or a covering collection. The report's `created` are reminders and fees, by their code;
        `skipped` have nobody to be told; `invoices` are the fees' own. Dates and hooks as for `run`.
        """
        # Imported here, as what else only some processes do: `import invoicecore` need not pay for it.
        from invoicecore.billing.reminding import Reminding

        reminding = Reminding(self._desk, on=on, dry_run=dry_run, actor=actor, progress=progress)
        self._for(biller, reminding.remind, reminding.remind_each, ("billing.remind", reminding.report))
        return reminding.report

    def deliver(
        self,
        *,
        biller: Biller | str | None = None,
        actor: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Deliveries:
        """Send the e-mails that are due, each with its document, and note what became of each (R7, R12, S9).

        What the mailer does not accept now is tried again later, over about three days; what it refuses for good is
        reported and not tried again. Several deliverers may work at once. Raises NotWired without a mailer, StoreError
        inside a transaction (P2), Refused.
        """
        from invoicecore.billing.delivering import Delivering

        delivering = Delivering(self._desk, actor=actor, progress=progress)
        self._for(biller, delivering.deliver, delivering.deliver_each, ("billing.deliver", delivering.report))
        return delivering.report

    def collect(
        self,
        *,
        biller: Biller | str | None = None,
        actor: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Attempts:
        """Send the collections that are due to their providers, and try again those that failed and are to be (S9, P1).

        What the run and publishing reserved goes out here, each once however many collect at once or die meanwhile; a
        provider that cannot be reached keeps its own waiting, in their order. Raises StoreError inside a transaction
        (P2), Refused.
        """
        from invoicecore.billing.collecting import Collecting

        collecting = Collecting(self._desk, actor=actor, progress=progress)
        self._for(biller, collecting.collect, collecting.collect_each, ("billing.collect", collecting.report))
        return collecting.ended()

    def recover(
        self,
        *,
        biller: Biller | str | None = None,
        actor: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Attempts:
        """Resolve what is doubtful, pending or waiting at a provider: call it every few minutes (D3, D6).

        A collection or refund that may have happened is asked for again under its key while the provider guarantees
        that this does not happen twice, else looked up; what cannot be told is left to a person (`alerts`), never
        guessed. Pages that ask for what is not owed are closed, pending debits asked for, events that wait applied.
        Raises StoreError inside a transaction (P2), Refused.
        """
        from invoicecore.billing.recovering import Recovering

        recovering = Recovering(self._desk, actor=actor, progress=progress)
        self._for(biller, recovering.recover, recovering.recover_each, ("billing.recover", recovering.report))
        return recovering.ended()

    def receive(self, gateway: str, body: bytes, headers: Mapping[str, str]) -> tuple[Received, ...]:
        """What became of each event of a gateway's webhook (D6).

        It is verified before anything of it is read, stored once per event, and each is a doorbell: what it is about
        is fetched afresh, so that order and repetition do not matter. Raises WebhookRejected for one that is not the
        gateway's, NotFound for a gateway that is not here; anything else raised means: tell it again.
        """
        from invoicecore.billing.receiving import Receiving

        with self._desk.plugins.span("billing.receive", gateway=gateway) as told:
            received = Receiving(self._desk).receive(gateway, body, headers)
            told["events"] = len(received)
        return received

    def receive_missed(self, gateway: str, *, since: datetime, actor: str | None = None) -> tuple[Received, ...]:
        """What became of each event a provider has had since an instant, for webhooks that were lost (D6).

        Events that came are skipped; overlap is harmless. Raises NotSupported, NotFound, GatewayError.
        """
        from invoicecore.billing.receiving import Receiving

        with self._desk.plugins.span("billing.receive_missed", gateway=gateway) as told:
            received = Receiving(self._desk, actor=actor).missed(gateway, since)
            told["events"] = len(received)
        return received

    def reconcile(
        self, gateway: str, *, since: datetime, until: datetime | None = None, biller: Biller | str | None = None
    ) -> Reconciliation:
        """What a provider holds of the payments made from an instant to before another, against what is held here (D6).

        Nothing is changed; every difference is named. `until` is now by default. Raises NotSupported, NotWired,
        StoreError inside a transaction (P2), InvalidValue for instants without a time zone, GatewayError, NotFound.
        """
        from invoicecore.billing.reconciling import Reconciling

        reconciling = Reconciling(self._desk, gateway, since, until or self._desk.clock.now())
        billers: list[Biller] = []
        self._for(biller, billers.append, billers.extend)
        with self._desk.plugins.span("billing.reconcile", gateway=gateway) as told:
            found = reconciling.compare(billers)
            told |= {"compared": found.compared, "foreign": found.foreign, "differences": len(found.differences)}
        return found

    def examine(self, *, biller: Biller | str | None = None) -> tuple[Finding, ...]:
        """How things are: work that waits for too long or was given up, alerts, clocks, and what the store says of itself.

        Changes nothing. There is one finding at least for each thing that was looked at, and one for work that cannot be
        read. For one biller, or where this desk is scoped, the store itself is left out. Raises StoreError for a store
        that cannot say how it is.
        """
        from invoicecore.billing.examining import Examining

        examining = Examining(self._desk)
        ask = getattr(self._desk.store, "findings", None) if biller is None and self._desk.scope is None else None
        own: Sequence[Finding] = ask() if ask is not None else ()
        self._for(biller, examining.examine, examining.examine_each)
        return (*own, *examining.findings)

    def _for(
        self,
        biller: Biller | str | None,
        one: Callable[[Biller], None],
        each: Callable[[Iterator[Biller]], None],
        journey: tuple[str, Counted] | None = None,
    ) -> None:
        """Do it for the biller that is named or that this desk is scoped to, else for each that there is."""
        with self._desk.journey(*journey, biller) if journey is not None else nullcontext():
            if biller is not None or self._desk.scope is not None:
                one(self._biller(biller))
            else:
                each(self._each_biller())

    def _biller(self, biller: Biller | str | None) -> Biller:
        return again(lambda: self.billers.get(self._desk.biller_id(biller)))

    def _each_biller(self) -> Iterator[Biller]:
        def following(after: str) -> list[Biller]:
            with self._desk.view() as tx:
                return tx.billers(after=after, limit=_BILLERS)

        after = ""
        while True:
            page = again(partial(following, after))
            yield from page
            if len(page) < _BILLERS:
                return
            after = page[-1].id

    def close(self) -> None:
        """Release the store's files and connections; a scoped desk leaves them to the desk it came from."""
        if not self._lent:
            self._desk.wiring.close()
            self._desk.store.close()

    def __enter__(self) -> Billing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
