"""A Stripe on loopback and its bench; needs the extras `stripe` and `testing`."""

from __future__ import annotations

from invoicecore.errors import MissingExtra

try:
    import stripe as _sdk  # noqa: F401  # its types are what requests are checked against, its code signs webhooks
except ModuleNotFoundError as error:
    raise MissingExtra("the simulator of Stripe", "stripe") from error

from invoicecore_adapters.simulators.stripe.bench import StripeAccess, StripeBench
from invoicecore_adapters.simulators.stripe.simulator import StripeSimulator

__all__ = ["StripeAccess", "StripeBench", "StripeSimulator"]
