"""What every payment gateway must do: adopt this class, pass, and collecting, refunds and recovery work on yours.

The items are numbered 1 to 80, in parts: A declaration, B money (gateway_declared), C pages to pay on, D methods
(gateway_pages), E charging, F keys (gateway_charging), G faults (gateway_faults, gateway_reading), H lookup, I refunds
(gateway_refunds), J webhooks (gateway_webhooks), K late facts, L what was missed and manners (gateway_late). What a
gateway does not claim is shown to be refused without a request. Wrong gateways that each item notices are in
gateway_mutants.
"""

from __future__ import annotations

from invoicecore.testing.gateway_charging import ChargingContract
from invoicecore.testing.gateway_declared import DeclaredContract
from invoicecore.testing.gateway_late import LateContract
from invoicecore.testing.gateway_pages import PagesContract
from invoicecore.testing.gateway_reading import ReadingContract
from invoicecore.testing.gateway_refunds import RefundsContract
from invoicecore.testing.gateway_webhooks import WebhooksContract


class GatewayContract(
    DeclaredContract, PagesContract, ChargingContract, ReadingContract, RefundsContract, WebhooksContract, LateContract
):
    """The contract of `invoicecore.ports.PaymentGateway`, as tests to inherit.

    Give one fixture, `bench_factory`, that returns a function; each call makes a new GatewayBench, a simulated
    provider of its own:

        class TestMyGateway(GatewayContract):
            conformance_file = "conformance.json"  # leave it out for no report

            @pytest.fixture
            def bench_factory(self):
                return lambda: MyBench(SimulatedProvider())

    What does not hold is said, never passed over: `waived = {27: "the provider gives no second try a name"}` leaves an
    item out, `impossible = {Fault.REFUSE: "there is no network"}` a fault; both are in the report, which
    `conformance(TestMyGateway)` gives too once the tests have run in this process. `patience` is how long one call may
    take in seconds, `rows` the length of the provider's pages. Where webhooks are no JSON object with one list of
    events, override `batched`, `with_nonsense` and `of_unknown_kind`. The bench closes after each test.

    A construction with settings of a wrong type is each gateway's own to test, as are the items of
    `gateway_items.ELSEWHERE`.
    """
