"""A GoCardless of our own on loopback: the API as its library speaks to it, pages to click, webhooks and faults.

    bench = GoCardlessBench(lambda access: open_my_gateway(access.base_url, access.access_token, ...))

or, without a bench, `LoopbackServer(GoCardless(access_token=..., webhook_secret=...)).start()`, whose `pages` must be
set to the server's address. Official scenario simulators are the control plane: POST /scenario_simulators/NAME/actions/run.
"""

from invoicecore_adapters.simulators.gocardless.bench import GoCardlessAccess, GoCardlessBench
from invoicecore_adapters.simulators.gocardless.scenarios import SCENARIOS
from invoicecore_adapters.simulators.gocardless.simulator import GoCardless

__all__ = ["SCENARIOS", "GoCardless", "GoCardlessAccess", "GoCardlessBench"]
