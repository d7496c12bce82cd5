"""Databases of either kind for tests that kill: new ones, copies of them, and what a stranger reads in one."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import psycopg

import postgres

Ask = Callable[..., list[tuple[Any, ...]]]
"""A statement whose values are written `?`, and the values: what is answered."""


class Databases(Protocol):
    """Where the databases of a test come from, by URL; all of them go when it is over."""

    def new(self, *, bare: bool = False) -> str:
        """One with nothing in it; a `bare` one has no schema either, and no file."""
        ...

    def copy(self, url: str) -> str:
        """A copy of one that nobody has open."""
        ...

    def close(self) -> None:
        """Remove them."""
        ...


class Files:
    """SQLite files. Every fourth copy is in a second folder, whose disk may take longer to commit."""

    def __init__(self, folder: Path, slow: Path) -> None:
        self._folders = (slow, folder, folder, folder)
        self._numbers = count()

    def new(self, *, bare: bool = False) -> str:
        """See Databases.new."""
        number = next(self._numbers)
        folder = self._folders[number % 4] / str(number)
        folder.mkdir()
        return f"sqlite:///{folder / 'x.db'}"

    def copy(self, url: str) -> str:
        """See Databases.copy; whoever closed it last left all of it in the one file."""
        made = self.new()
        shutil.copy(file_of(url), file_of(made))
        return made

    def close(self) -> None:
        """See Databases.close; the folders go by themselves."""


class Catalogue:
    """Databases of a PostgreSQL server, by default of the one that all tests share."""

    def __init__(self, server: str | None = None) -> None:
        self._server = server
        self._made: list[str] = []

    def new(self, *, bare: bool = False) -> str:
        """See Databases.new."""
        return self._kept(postgres.database(server=self._server) if bare or self._server else postgres.new())

    def copy(self, url: str) -> str:
        """See Databases.copy."""
        return self._kept(postgres.database(url, server=self._server))

    def _kept(self, url: str) -> str:
        self._made.append(url)
        return url

    def close(self) -> None:
        """See Databases.close."""
        for url in self._made:
            postgres.drop(url, server=self._server)


def file_of(url: str) -> str:
    """The path of an SQLite file."""
    return url.removeprefix("sqlite:///")


def is_sqlite(url: str) -> bool:
    """Whether a URL names an SQLite file."""
    return url.startswith("sqlite:")


@contextmanager
def rows_of(url: str) -> Iterator[Ask]:
    """A database as a stranger reads it, without this library: one view for all questions."""
    if is_sqlite(url):
        with closing(sqlite3.connect(file_of(url), isolation_level=None)) as file:
            file.execute("BEGIN")
            yield lambda statement, *given: file.execute(statement, given).fetchall()
    else:
        with postgres.rows_of(url) as session:
            session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            yield lambda statement, *given: session.execute(statement.replace("?", "%s"), given).fetchall()
