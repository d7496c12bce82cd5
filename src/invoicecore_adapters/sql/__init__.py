"""The SQL store on SQLAlchemy Core: `sqlite:///file.db` (extra `sql`), `postgresql+psycopg://…` (extra `postgres`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from invoicecore.errors import MissingExtra
from invoicecore.plugins import hookimpl
from invoicecore.ports import Store


class SqlPlugin:
    """Offers the URL schemes of the SQL store; what it costs to import is paid when the first one is opened."""

    @hookimpl
    def stores(self) -> Mapping[str, Callable[[str], Store]]:
        """The schemes and what opens them."""
        return dict.fromkeys(("postgresql", "postgresql+psycopg", "sqlite"), open_sql)


def open_sql(url: str) -> Store:
    """The store a URL such as `sqlite:///rent.db` names, created or migrated as needed.

    Raises MissingExtra without SQLAlchemy or psycopg, StoreError for a database that cannot be used.
    """
    try:
        import sqlalchemy  # noqa: F401  # only to see whether it is there
    except ImportError as error:
        raise MissingExtra("the SQL store", "postgres" if url.startswith("postgresql") else "sql") from error
    from invoicecore_adapters.sql.store import SqlStore

    return SqlStore(url)


plugin = SqlPlugin()
