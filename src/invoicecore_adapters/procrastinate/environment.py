"""An app made from the environment: what `procrastinate --app=invoicecore_adapters.procrastinate.app` runs."""

from __future__ import annotations

import os
from functools import partial
from typing import Final

from procrastinate import App, PsycopgConnector

from invoicecore import Billing
from invoicecore.errors import InvalidValue
from invoicecore_adapters.procrastinate.tasks import install

_SCHEMES: Final = ("postgresql+psycopg", "postgresql")


def app_from_environment() -> App:
    """An app whose tasks work on the store that INVOICECORE_DB names.

    Jobs are in the database of INVOICECORE_BROKER, by default that of the store when it is PostgreSQL. What is wired
    comes from INVOICECORE_MAILER, INVOICECORE_GATEWAY (several, separated by spaces) and INVOICECORE_BASE_URL; what has
    nothing to work with is not called. Jobs that are done are deleted. Raises InvalidValue for what is missing.
    """
    url, mailer = os.environ.get("INVOICECORE_DB", ""), os.environ.get("INVOICECORE_MAILER")
    gateways = os.environ.get("INVOICECORE_GATEWAY", "").split()
    if not url:
        raise InvalidValue("INVOICECORE_DB", url, "is not set", "set it to the URL of the store")
    broker = os.environ.get("INVOICECORE_BROKER") or (url if url.partition("://")[0] in _SCHEMES else "")
    if not broker:
        way_out = "set it to the URL of a PostgreSQL database, as in postgresql://user@host/name"
        raise InvalidValue("INVOICECORE_BROKER", broker, "is not set", way_out)
    app = App(
        connector=PsycopgConnector(conninfo=_for_libpq(broker)),
        worker_defaults={"delete_jobs": "successful"},
    )
    base_url = os.environ.get("INVOICECORE_BASE_URL")
    open_billing = partial(Billing.open, url, mailer=mailer, gateway=gateways, base_url=base_url)
    if mailer and gateways:
        install(app, open_billing)
    elif mailer:
        install(app, open_billing, collect=None, recover=None)
    elif gateways:
        install(app, open_billing, deliver=None)
    else:
        install(app, open_billing, deliver=None, collect=None, recover=None)
    return app


def _for_libpq(url: str) -> str:
    """A store's URL as libpq takes it: without the driver, and without `timeout`, which is the store's own."""
    place, _, options = url.replace("postgresql+psycopg://", "postgresql://", 1).partition("?")
    kept = [option for option in options.split("&") if option and not option.startswith("timeout=")]
    return f"{place}?{'&'.join(kept)}" if kept else place
