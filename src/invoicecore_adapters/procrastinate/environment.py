"""An app made from the environment: what `procrastinate --app=invoicecore_adapters.procrastinate.app` runs."""

from __future__ import annotations

import os
from functools import partial
from typing import Final

from procrastinate import App, PsycopgConnector
from psycopg import ProgrammingError
from psycopg.conninfo import make_conninfo

from invoicecore import Billing
from invoicecore.errors import InvalidValue, MissingExtra
from invoicecore_adapters.procrastinate.tasks import install

_SCHEMES: Final = ("postgresql+psycopg", "postgresql")
_LIKE: Final = "postgresql://user@host/name"


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
    broker, name = os.environ.get("INVOICECORE_BROKER", ""), "INVOICECORE_BROKER"
    if not broker and url.partition("://")[0] in _SCHEMES:
        broker, name = url, "INVOICECORE_DB"
    if not broker:
        raise InvalidValue(name, broker, "is not set", f"set it to the URL of a PostgreSQL database, as in {_LIKE}")
    app = App(
        connector=PsycopgConnector(conninfo=_for_libpq(name, broker)),
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


def _for_libpq(name: str, url: str) -> str:
    """A URL as libpq takes it, read as the store would; without `timeout`, which is the store's own.

    Raises InvalidValue, which never quotes it: libpq and the pool would, with the password.
    """
    try:
        from sqlalchemy import make_url
        from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
        from sqlalchemy.exc import ArgumentError
    except ImportError as error:
        raise MissingExtra("A broker's URL", "postgres") from error
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # a port that is no number
        raise InvalidValue(name, "***", "is not the URL of a database", f"write {_LIKE}") from None
    if parsed.drivername not in _SCHEMES:
        raise InvalidValue(name, "***", f"is of another kind than {_SCHEMES[1]}://", f"write {_LIKE}")
    if "@" in (parsed.host or "") or ("@" in (parsed.database or "") and url.count("@") > 1):
        raise InvalidValue(name, "***", "has an @ too many", "write those of the user and the password as %40")
    dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]  # of a version it has no types for
    _, options = dialect.create_connect_args(parsed.difference_update_query(["timeout"]))  # type: ignore[no-untyped-call]  # nor for this
    try:
        return make_conninfo(**{**options, "client_encoding": "utf8"})
    except ProgrammingError as error:  # it names an option, and not its value
        raise InvalidValue(name, "***", str(error).strip(), "take it out of the URL") from None
