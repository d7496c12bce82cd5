"""For tests: contracts that adapters must pass, strategies, sample records and a clock that stands still.

Needs the extra `testing` (pytest and hypothesis); importing `invoicecore` never imports this.
"""

from __future__ import annotations

import pytest

# Before they are imported: otherwise a contract's failure in somebody else's project says no more than
# "AssertionError".
pytest.register_assert_rewrite(
    "invoicecore.testing.checks",
    "invoicecore.testing.gateway_charging",
    "invoicecore.testing.gateway_declared",
    "invoicecore.testing.gateway_faults",
    "invoicecore.testing.gateway_late",
    "invoicecore.testing.gateway_pages",
    "invoicecore.testing.gateway_refunds",
    "invoicecore.testing.gateway_scene",
    "invoicecore.testing.gateway_webhooks",
    "invoicecore.testing.mailer_contract",
    "invoicecore.testing.renderer_contract",
    "invoicecore.testing.store_contract",
    "invoicecore.testing.store_queries",
    "invoicecore.testing.store_records",
    "invoicecore.testing.store_threads",
    "invoicecore.testing.store_writing",
)

from invoicecore.testing.clock import FixedClock  # noqa: E402  # see above
from invoicecore.testing.gateway_bench import GatewayBench  # noqa: E402  # see above
from invoicecore.testing.gateway_contract import GatewayContract  # noqa: E402  # see above
from invoicecore.testing.gateway_items import conformance  # noqa: E402  # see above
from invoicecore.testing.mailer_contract import MailerContract  # noqa: E402  # see above
from invoicecore.testing.renderer_contract import RendererContract  # noqa: E402  # see above
from invoicecore.testing.store_contract import StoreContract  # noqa: E402  # see above

__all__ = [
    "FixedClock",
    "GatewayBench",
    "GatewayContract",
    "MailerContract",
    "RendererContract",
    "StoreContract",
    "conformance",
]
