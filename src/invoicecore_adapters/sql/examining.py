"""What a SQL store says of itself: its schema, and what the database it is in has to say."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, inspect
from sqlalchemy.schema import CreateIndex

from invoicecore.ports import Finding, Verdict
from invoicecore_adapters.sql.columns import metadata

_SHOWN: Final = 5


def schema_findings(connection: Connection, version: int) -> list[Finding]:
    """Whether the tables have every column and index of the schema; what they have besides is their owner's."""
    there = inspect(connection)
    columns, indexes, mending = [], [], []
    tables = set(there.get_table_names())
    for table in metadata.sorted_tables:
        if table.name not in tables:
            columns.append(table.name)
            continue
        have = {column["name"] for column in there.get_columns(table.name)}
        columns += [f"{table.name}.{column.name}" for column in table.c if column.name not in have]
        known = {index["name"] for index in there.get_indexes(table.name)}
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            if index.name not in known:
                indexes.append(str(index.name))
                mending.append(" ".join(str(CreateIndex(index).compile(dialect=connection.dialect)).split()))
    found = []
    if columns:
        data = {"version": version, "missing": ", ".join(columns[:_SHOWN])}
        found.append(Finding(code="schema.columns", verdict=Verdict.PROBLEM, data=data))
    if indexes:
        data = {"count": len(indexes), "missing": ", ".join(indexes[:_SHOWN]), "mending": "; ".join(mending)}
        found.append(Finding(code="schema.indexes", verdict=Verdict.PROBLEM, data=data))
    return found or [Finding(code="schema", data={"version": version})]
