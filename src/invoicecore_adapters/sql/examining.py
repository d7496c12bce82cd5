"""What a SQL store says of itself: its schema, and what the database it is in has to say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import CheckConstraint, Connection, ForeignKeyConstraint, Index, Inspector, Table, inspect
from sqlalchemy.engine.interfaces import ReflectedIndex
from sqlalchemy.schema import AddConstraint, Constraint, CreateIndex, DropIndex, ExecutableDDLElement

from invoicecore.ports import Finding, Verdict
from invoicecore_adapters.sql.columns import metadata

_SHOWN: Final = 5

# A table of SQLite's cannot be given a key or a reference: its rows are moved into a new one that has them.
_ANEW: Final = "invoicecore export --to sqlite:///NEW.db"

# Left by CREATE INDEX CONCURRENTLY that failed: it is written to, and nothing is found or kept unique by it.
_INVALID: Final = """
SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE NOT indisvalid AND pg_table_is_visible(indexrelid)
"""


def schema_findings(connection: Connection, version: int) -> list[Finding]:
    """Whether the tables have every column, index, key, reference and check of the schema; what they have besides is their owner's."""
    there = inspect(connection)
    on_server = connection.dialect.name == "postgresql"
    invalid = set(connection.exec_driver_sql(_INVALID).scalars()) if on_server else set()
    columns, indexes, constraints = [], [], []
    mending: list[str] = []
    adding: list[str] = []
    tables = set(there.get_table_names())
    for table in metadata.sorted_tables:
        if table.name not in tables:
            columns.append(table.name)
            continue
        have = {column["name"] for column in there.get_columns(table.name)}
        columns += [f"{table.name}.{column.name}" for column in table.c if column.name not in have]
        known = {str(index["name"]): index for index in there.get_indexes(table.name)}
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            found = known.get(str(index.name))
            if found is None or index.name in invalid or not _is(index, found):
                indexes.append(str(index.name))
                again = [CreateIndex(index)] if found is None else [DropIndex(index), CreateIndex(index)]
                mending += [_said(connection, each) for each in again]
        for constraint, name in _lacking(there, table):
            constraints.append(name)
            # Isolated, it would be left out of every table that this process makes from now on.
            statement = AddConstraint(constraint, isolate_from_table=False)
            adding.append(_said(connection, statement) if on_server else _ANEW)
    told = []
    if columns:
        data = {"version": version, "missing": ", ".join(columns[:_SHOWN])}
        told.append(Finding(code="schema.columns", verdict=Verdict.PROBLEM, data=data))
    for code, missing, how in (("schema.indexes", indexes, mending), ("schema.constraints", constraints, adding)):
        if missing:
            data = {"count": len(missing), "missing": ", ".join(missing[:_SHOWN]), "mending": _joined(how)}
            told.append(Finding(code=code, verdict=Verdict.PROBLEM, data=data))
    return told or [Finding(code="schema", data={"version": version})]


def _is(index: Index, found: ReflectedIndex) -> bool:
    """Whether an index that is there is the one of the schema: its columns, whether they are unique, and of which rows."""
    partly = any(name.endswith("_where") for name in found.get("dialect_options", {}))
    return (
        found["column_names"] == [column.name for column in index.columns]
        and bool(found["unique"]) is bool(index.unique)
        and partly is (index.dialect_kwargs.get("sqlite_where") is not None)
    )


def _lacking(there: Inspector, table: Table) -> Iterator[tuple[Constraint, str]]:
    """The keys, references and checks of the schema that a table does not have, each with what it is called."""
    key = [column.name for column in table.primary_key.columns]
    if there.get_pk_constraint(table.name)["constrained_columns"] != key:
        yield table.primary_key, f"{table.name} ({', '.join(key)})"
    references = {
        (tuple(each["constrained_columns"]), each["referred_table"]) for each in there.get_foreign_keys(table.name)
    }
    checks = {each["name"] for each in there.get_check_constraints(table.name)}
    for constraint in sorted(table.constraints, key=lambda each: (str(each.name), _columns(each))):
        if isinstance(constraint, ForeignKeyConstraint):
            if (_columns(constraint), constraint.referred_table.name) not in references:
                yield constraint, f"{table.name}.{_columns(constraint)[-1]}"
        elif isinstance(constraint, CheckConstraint) and constraint.name not in checks:
            yield constraint, str(constraint.name)


def _columns(constraint: Constraint) -> tuple[str, ...]:
    return tuple(constraint.column_keys) if isinstance(constraint, ForeignKeyConstraint) else ()


def _said(connection: Connection, statement: ExecutableDDLElement) -> str:
    return " ".join(str(statement.compile(dialect=connection.dialect)).split())


def _joined(statements: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(statements))
