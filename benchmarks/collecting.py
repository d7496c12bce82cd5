"""How fast money is collected and events applied, against the bare SDK doing the same requests; run by `nox -s bench`.

GoCardless's SDK against its simulator on loopback, a store in a SQLite file. A ratio of 1 would mean that everything
the desk does beside the provider's requests costs nothing.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from time import perf_counter

from invoicecore import Billing, Frequency, InvoiceMethod, Money
from invoicecore.payments import PaymentMethod
from invoicecore.ports import Charge, PaymentGateway
from invoicecore.testing import FixedClock
from invoicecore_adapters.gocardless.gateway import GoCardlessGateway
from invoicecore_adapters.simulators.gocardless import GoCardlessAccess, GoCardlessBench

NOW = datetime(2026, 4, 27, 9, tzinfo=UTC)


def opened(access: GoCardlessAccess) -> GoCardlessGateway:
    """The gateway that is measured, on the simulator."""
    return GoCardlessGateway(
        access_token=access.access_token, webhook_secrets=access.webhook_secrets, base_url=access.base_url
    )


def seconds(do: Callable[[], object]) -> float:
    """How long it takes."""
    start = perf_counter()
    do()
    return perf_counter() - start


def measured(folder: Path, count: int) -> None:
    """One round: `count` debits collected, their confirmations applied, and the same requests made by the bare SDK."""
    bench = GoCardlessBench(opened)
    try:
        gateway = bench.gateway()
        clock = FixedClock(NOW)
        with Billing.open(f"sqlite:///{folder}/bench.db", gateway=gateway, clock=clock) as billing:
            park = billing.billers.add(
                name="Park", currency="GBP", timezone="Europe/London", locale="en_GB", preset="stays"
            )
            for n in range(count):
                who = billing.customers.add(biller=park, name=f"Tenant {n}", email=f"t{n}@example.com")
                page = billing.methods.setup(who, return_url="https://example.com/back")
                bench.save(page.url)
                billing.methods.refresh(page.method)
                billing.leases.add(
                    biller=park, customer=who, rent=Money("620.00", "GBP"), frequency=Frequency.MONTHLY,
                    starts=date(2026, 5, 1), method=InvoiceMethod.DIRECT_DEBIT,
                )  # fmt: skip
            bench.deliveries()
            billing.run()
            collected = seconds(billing.collect)
            assert len(billing.collections.find(biller=park, state="pending", limit=count)) == count
            mandate, _ = bench.saved(PaymentMethod.DIRECT_DEBIT, "GBP")
            bare = _bare(gateway, mandate, count)
            for each in billing.collections.find(biller=park, limit=count):
                bench.collect(each.reference or "")
            posted = bench.deliveries()
            told: list[str] = []

            def receive() -> None:
                for each in posted:
                    told.extend(one.state for one in billing.receive("gocardless", each.body, each.headers))

            applied = seconds(receive)
            again = seconds(receive)
            assert len(billing.collections.find(biller=park, state="succeeded", limit=count)) == count
            events = len(told) // 2
            fetched = seconds(
                lambda: [
                    gateway.payment(each.reference or "") for each in billing.collections.find(biller=park, limit=count)
                ]
            )
    finally:
        bench.close()
    print(f"collections   {count / collected:7.0f}/s   bare SDK {count / bare:7.0f}/s   ratio {collected / bare:.2f}")
    print(
        f"events        {events / applied:7.0f}/s   bare fetch {count / fetched:5.0f}/s   "
        f"ratio {applied / events / (fetched / count):.2f}   repeated {events / again:.0f}/s"
    )


def _bare(gateway: PaymentGateway, mandate: str, count: int) -> float:
    """The same two requests for each debit, made by nothing but the adapter: the mandate is read, the payment made."""

    def do() -> None:
        for n in range(count):
            gateway.method(mandate)
            wanted = Charge(
                method=mandate, owner=None, amount=Money("620.00", "GBP"), reference="INV", description="Rent"
            )
            gateway.charge(wanted, f"bare-{n}")

    return seconds(do)


def main() -> None:
    """Measure, a few rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:
            measured(Path(folder), arguments.count)


if __name__ == "__main__":
    main()
