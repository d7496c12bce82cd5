"""Connections lent for one transaction each, and taken back from whatever ended it.

The handler of a signal, or a library of green threads, raises between any two steps: within a statement or a commit, and
within SQLAlchemy's pool, which then counts a connection that nobody has, or keeps a lock that nobody gives back.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final, Protocol, cast

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError, StatementError

INHERITED: Final[list[object]] = []
"""What came through fork(): kept, because closing it in the child could end the parent's locks and transactions."""


class Session(Protocol):
    """A driver's connection; neither of the two ever waits for what an interrupted call has left behind."""

    def rollback(self) -> None:
        """Undo what is not committed; the driver's own error for a connection that cannot be used any more."""
        ...

    def close(self) -> None:
        """Give up every lock and the connection; once more does nothing."""
        ...


class Loan:
    """The connection of one transaction: `take` it, `undo` what was not committed when something went wrong, `end`.

    Made before anything is lent, so that an interrupt finds in it whatever was lent by then.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._session: Session | None = None
        self._pid = os.getpid()

    def take(self) -> Connection:
        """A connection of the pool. Raises SQLAlchemyError, or the driver's error."""
        try:
            self._connection = connection = self._engine.connect()
            self._session = cast(Session, connection.connection.driver_connection)
        except BaseException as error:
            self._doubt(error)
            raise unmasked(error) from None
        return connection

    def undo(self, error: BaseException) -> None:
        """Roll back after an error of the block; after an interrupt, when nobody knows where the driver is, hang up."""
        self._leave_to_parent()
        connection, session = self._connection, self._session
        if connection is None:
            return
        whole = False
        try:
            # Said to the driver itself: of a commit that was cut off, SQLAlchemy takes the transaction for ended.
            if isinstance(error, Exception) and session is not None and not connection.invalidated:
                with suppress(self._refusal):
                    session.rollback()
                    whole = True
        finally:
            if not whole:
                try:
                    with suppress(SQLAlchemyError, self._refusal):
                        connection.invalidate(error)
                finally:
                    if session is not None:  # nobody else's by now, whatever the pool knows of it
                        session.close()

    def end(self) -> None:
        """Give the connection back; one that is gone by now has nothing left to undo."""
        self._leave_to_parent()
        connection, self._connection, self._session = self._connection, None, None
        if connection is None:
            return
        try:
            connection.close()
        except (SQLAlchemyError, self._refusal):
            pass
        except BaseException as error:
            self._doubt(error)
            with suppress(SQLAlchemyError, self._refusal):
                connection.close()  # it may have struck before anything was done
            raise unmasked(error) from None

    def _leave_to_parent(self) -> None:
        """In a forked child, forget what is lent: the connection is its parent's, and so is the transaction on it."""
        if self._connection is not None and os.getpid() != self._pid:
            INHERITED.append((self._connection, self._session))
            self._connection, self._session = None, None

    def _doubt(self, error: BaseException) -> None:
        """Take a new pool after an interrupt that may have struck within the old one."""
        if not isinstance(error, (SQLAlchemyError, self._refusal)):
            self._engine.dispose()

    @property
    def _refusal(self) -> type[Exception]:
        return cast(type[Exception], self._engine.dialect.loaded_dbapi.Error)


def unmasked(error: BaseException) -> BaseException:
    """What struck within SQLAlchemy, whose own assertion of how a transaction ended may have taken its place."""
    return error.__context__ if isinstance(error, AssertionError) and error.__context__ is not None else error


def known(error: Exception, refusal: type[Exception]) -> Exception:
    """The error, if the database, its driver or SQLAlchemy raised it.

    Raises what did not come from there, but from a signal's handler, say, that struck within a statement.
    """
    cause = error.orig if isinstance(error, StatementError) and error.orig is not None else error
    if not isinstance(cause, (SQLAlchemyError, refusal)):
        raise cause from cause.__cause__
    return error
