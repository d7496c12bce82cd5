"""Instants as columns have them: with their zone, whatever the database."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import DateTime, Dialect, Text, TypeDecorator
from sqlalchemy.types import TypeEngine


class Instant(TypeDecorator[datetime]):
    """An aware datetime in UTC: a timestamp with time zone, ISO 8601 text where there is no such type."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[datetime] | TypeEngine[str]:
        """Text on SQLite, whose own datetime type drops the zone."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Text())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        """The instant as the rows have it, so that it can be compared with them."""
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).isoformat(" ")

    def process_result_value(self, value: datetime | str | None, dialect: Dialect) -> datetime | None:
        """The text read back as an instant."""
        return datetime.fromisoformat(value) if isinstance(value, str) else value
