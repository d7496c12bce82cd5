"""The database that is worked on: kept as loaded, and put back as it was before each run."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psycopg

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from postgres import Server as Server  # the tests' own: a PostgreSQL from a wheel


class Database(Protocol):
    """One database to work on; nobody is connected to it while it is kept or put back."""

    url: str

    def keep(self, size: int) -> None:
        """Remember what is in it, loaded with so many leases, and empty it."""

    def restore(self, size: int) -> None:
        """Make it what was kept."""

    def kept(self, size: int) -> str:
        """The URL of what was kept."""


class SqliteDatabase:
    """A file; the children write it with a write-ahead log and `synchronous = FULL`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f"{name}.db"
        self.url = f"sqlite:///{self._path}"

    def keep(self, size: int) -> None:
        """Move the file away; its log went into it when its last connection was closed."""
        self._path.rename(self._path.with_suffix(f".{size}"))

    def kept(self, size: int) -> str:
        """The URL of the file that was moved away."""
        return f"sqlite:///{self._path.with_suffix(f'.{size}')}"

    def restore(self, size: int) -> None:
        """Copy it back, to the disk, so that no run waits for what is not its own."""
        for end in ("-wal", "-shm"):
            Path(f"{self._path}{end}").unlink(missing_ok=True)
        shutil.copyfile(self._path.with_suffix(f".{size}"), self._path)
        with self._path.open("rb+") as file:
            os.fsync(file.fileno())


class PostgresDatabase:
    """A database of a server of this process's own, as PostgreSQL comes: each commit is on the disk."""

    def __init__(self, server: Server, name: str) -> None:
        self._server = server.url
        self._name = name
        self.url = server.url.replace("/postgres?", f"/{name}?", 1)
        self._run(f"CREATE DATABASE {name}")

    def keep(self, size: int) -> None:
        """Rename the database, with fresh statistics, and make an empty one."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
        self._run(f"ALTER DATABASE {self._name} RENAME TO {self._name}_{size}", f"CREATE DATABASE {self._name}")

    def kept(self, size: int) -> str:
        """The URL of the database that was renamed."""
        return self.url.replace(f"/{self._name}?", f"/{self._name}_{size}?", 1)

    def restore(self, size: int) -> None:
        """Make it a copy of the one kept; what that left to write is written before a run begins."""
        self._run(
            f"DROP DATABASE IF EXISTS {self._name} WITH (FORCE)",
            f"CREATE DATABASE {self._name} TEMPLATE {self._name}_{size}",
            "CHECKPOINT",
        )

    def _run(self, *statements: str) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@contextmanager
def _sqlite() -> Iterator[Callable[[str], Database]]:
    with tempfile.TemporaryDirectory(prefix="invoicecore-bench-") as folder:
        yield lambda name: SqliteDatabase(Path(folder), name)


@contextmanager
def _postgresql() -> Iterator[Callable[[str], Database]]:
    server = Server(max_wal_size="4GB")  # room for a run between its checkpoints
    try:
        yield lambda name: PostgresDatabase(server, name)
    finally:
        server.stop()


DATABASES = {"sqlite": _sqlite, "postgresql": _postgresql}
"""What opens each kind: files in a folder of their own, or databases of a server of their own, made by their name."""
