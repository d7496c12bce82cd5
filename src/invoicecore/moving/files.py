"""The portable file: JSON lines, a record each, with marks that tell a whole file from a damaged one.

{"invoicecore":"export","format":1}         the first line
{"biller":{…}}                              a biller begins
{"customer":{…}}                            its records, in the shapes of `invoicecore.serde`
{"page":1000}                               so many records since the last mark belong together
{"tally":{…}}                               a biller ends: its counts, digests, sums and counters
{"billers":3}                               the last line
"""

from __future__ import annotations

import gzip
import json
import os
import stat
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final, NoReturn, cast

from invoicecore.errors import BadFile, InvalidValue, StoreError
from invoicecore.moving.kinds import KINDS
from invoicecore.moving.pages import Page
from invoicecore.moving.tallies import Counting, Tally, compared
from invoicecore.parties import Biller
from invoicecore.ports import Record
from invoicecore.serde import dumps, parsed, structure

FORMAT: Final = 1
"""The version of the format; a library reads its own and all before it."""

_HEADER: Final = {"invoicecore": "export", "format": FORMAT}
_PART: Final = ".part"
_KEPT: Final = 40  # characters of a file's name in the name of its part, which is longer


@contextmanager
def new_file(path: Path) -> Iterator[Callable[[Page], None]]:
    """What writes pages to a new file, which has its name when the block ends; only its owner may read it.

    Raises InvalidValue for a file that is there already, StoreError for one that cannot be written.
    """
    try:
        with suppress(FileNotFoundError):
            os.lstat(path)
            raise _taken(path)
        # A name of its own, since others may be writing to the same one; beside it, to be on the same disk.
        opened, part = tempfile.mkstemp(_PART, f"{path.name[:_KEPT]}.", path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(opened, "wb") as raw:
            # No name and no time in it: the same records make the same file.
            packed = gzip.GzipFile("", "wb", 6, raw, mtime=0) if path.suffix == ".gz" else None
            writing = _Writing(cast(IO[bytes], packed or raw))
            yield writing.put
            writing.end()
            if packed is not None:
                packed.close()
            raw.flush()
            os.fsync(raw.fileno())
        _named(part, path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with suppress(FileNotFoundError):
            os.unlink(part)


def _named(part: str, path: Path) -> None:
    """Give a file its name, and never take it from another."""
    try:
        try:
            os.link(part, path)
        except FileExistsError:
            raise
        except OSError:  # a disk without links: the name is taken first, and is of an empty file for a moment
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            try:
                os.replace(part, path)
            except BaseException:
                os.unlink(path)
                raise
    except FileExistsError as error:
        raise _taken(path) from error


def _taken(path: Path) -> InvalidValue:
    return InvalidValue("file", str(path), "is there already", "give another name, or remove it first")


def _unwritable(path: Path, error: OSError) -> StoreError:
    why = error.strerror or str(error)
    return StoreError(f"{path} cannot be written: {why}; make room, or give another place")


class _Writing:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._billers = 0
        self._counting = Counting()
        self._line(_HEADER)

    def put(self, page: Page) -> None:
        if page.records and isinstance(page.records[0], Biller):
            self._billers += 1
            self._counting = Counting()
        self._counting.add(page)
        self._file.write("".join(f"{line}\n" for line in page.lines).encode())
        if page.counters is not None:
            self._file.write(f'{{"tally":{dumps(self._counting.tally())}}}\n'.encode())
        else:
            self._line({"page": len(page.records)})

    def end(self) -> None:
        self._line({"billers": self._billers})

    def _line(self, data: object) -> None:
        self._file.write(json.dumps(data, separators=(",", ":")).encode() + b"\n")


class FileSource:
    """A file that `save` wrote."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def billers(self) -> list[Biller]:
        """See Source.billers: the whole file is read, so that a damaged one is refused before anything is written.

        Raises BadFile for one that is damaged, cut short, or of a later format.
        """
        return [record for page in self.pages() for record in page.records if isinstance(record, Biller)]

    def pages(self) -> Iterator[Page]:
        """See Source.pages. Raises BadFile where the file is not as it was written."""
        number, biller, billers = 0, "", 0
        records: list[Record] = []
        counting = Counting()
        ended = False
        for number, name, value in self._lines():  # the last number is needed below
            if ended:
                self._bad(number, name, "comes after the end")
            if name in KINDS:
                record = self._record(number, name, value)
                if isinstance(record, Biller) and not biller:
                    billers, biller, counting = billers + 1, record.id, Counting()
                elif isinstance(record, Biller) or record.biller != biller:
                    self._bad(number, record.id, f"is not of biller {biller}")
                records.append(record)
            elif name == "page" and value == len(records):
                page = Page(biller=biller, records=tuple(records))
                counting.add(page)
                yield page
                records = []
            elif name == "tally" and biller and not records:
                told = structure(value, Tally, source=f"{self._path}, line {number}")
                last = Page(biller=biller, counters=told.counters)
                counting.add(last)
                if wrong := compared({biller: told}, {biller: counting.tally()}):
                    self._bad(number, wrong[0].key, f"{wrong[0].part} are not those of the records before")
                yield last
                biller = ""
            elif name == "billers" and value == billers and not biller:
                ended = True
            else:
                self._bad(number, name, "does not fit what comes before")
        if not ended:
            self._bad(number + 1, None, "the file is cut short; export again, or get a whole copy of it")

    def _record(self, number: int, name: str, value: object) -> Record:
        return structure(value, KINDS[name], source=f"{self._path}, line {number}")

    def _lines(self) -> Iterator[tuple[int, str, object]]:
        number = 0
        try:
            with self._opened() as file:
                for number, raw in enumerate(file, 1):
                    data = parsed(raw.decode(), source=f"{self._path}, line {number}")
                    if number == 1:
                        self._header(data)
                    elif not isinstance(data, dict) or len(data) != 1:
                        self._bad(number, data, "is not a record under the name of its kind")
                    else:
                        [(name, value)] = data.items()
                        yield number, name, value
        except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as error:
            self._bad(number + 1, None, f"the file is damaged ({error}); get a whole copy of it")
        except OSError as error:
            raise BadFile(str(self._path), [("", None, f"cannot be read: {error.strerror or error}")]) from error

    def _opened(self) -> IO[bytes]:
        if not stat.S_ISREG(self._path.stat().st_mode):
            why = "is a folder, a pipe or a device, and the file is read twice; give the file itself"
            raise BadFile(str(self._path), [("", None, why)])
        packed = self._path.suffix == ".gz"
        return cast(IO[bytes], gzip.open(self._path)) if packed else self._path.open("rb")

    def _header(self, data: object) -> None:
        known = isinstance(data, dict) and data.get("invoicecore") == "export"
        if not known or not isinstance(data, dict):
            self._bad(1, data, "is no header of an export; give a file that `invoicecore export` wrote")
        if type(data.get("format")) is not int or not 1 <= data["format"] <= FORMAT:
            self._bad(1, data.get("format"), f"is a format this invoicecore does not know ({FORMAT}); upgrade it")

    def _bad(self, line: int, value: object, reason: str) -> NoReturn:
        raise BadFile(str(self._path), [(f"line {line}", value, reason)])
