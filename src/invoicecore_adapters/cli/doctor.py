"""What `doctor` does: looks at the installation, the store and the work in it, and says of each what to do."""

from __future__ import annotations

import argparse
import platform
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution, entry_points, version
from typing import Final

from invoicecore import Plugins
from invoicecore.errors import InvoicecoreError, StoreError
from invoicecore.plugins import GROUP
from invoicecore.ports import Finding, Verdict
from invoicecore.wording import format_date
from invoicecore_adapters.cli.answers import answer, sentence
from invoicecore_adapters.cli.choosing import opened, spoken, spoken_by, the_biller
from invoicecore_adapters.cli.speech import tell
from invoicecore_adapters.cli.tables import Cell, Column, Screen

_DONE, _REFUSED = 0, 1
_PROJECT: Final = "invoicecore"
_TOGETHER: Final = "all"  # the extra that is all the others

_COLOURS: Final = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.PROBLEM: "bold red"}
_VERDICTS: Final = ("verdict.ok", "verdict.warning", "verdict.problem")
_CHECKS: Final = (
    "check.library", "check.plugins", "check.extras", "check.store", "check.schema", "check.journal", "check.server", "check.connections",
    "check.references", "check.sqlite", "check.disk", "check.writing", "check.mail", "check.collections",
    "check.refunds", "check.events", "check.methods", "check.alerts", "check.runs", "check.drafts", "check.clock",
    "check.work", "check.damage", "check.imports",
)  # fmt: skip
_FOUND: Final = (
    "found.library", "found.plugins", "found.plugins.broken", "found.extras", "found.extras.missing",
    "found.extras.partly", "found.store.unusable", "found.schema", "found.schema.columns", "found.schema.indexes",
    "found.journal", "found.journal.mode", "found.references.broken", "found.sqlite", "found.sqlite.reset",
    "found.server", "found.server.fsync", "found.server.standby", "found.connections", "found.connections.few", "found.connections.idle",
    "found.disk", "found.disk.low", "found.disk.full", "found.writing.refused", "found.writing.rights", "found.mail.waiting",
    "found.mail.failing", "found.mail.failed", "found.collections.waiting", "found.collections.failing",
    "found.collections.submitting", "found.collections.doubtful", "found.refunds.waiting", "found.refunds.failing",
    "found.refunds.submitting", "found.refunds.doubtful", "found.events.waiting", "found.events.failing",
    "found.events.parked", "found.methods.waiting", "found.alerts.open", "found.runs.missed", "found.drafts.left",
    "found.clock.ahead", "found.work.unreadable", "found.damage.found", "found.schema.constraints",
    "found.imports.unfinished",
)  # fmt: skip
_ADVICE: Final = (
    "advice.plugins.broken", "advice.extras.missing", "advice.extras.partly", "advice.store.unusable",
    "advice.schema.columns", "advice.schema.indexes", "advice.journal.mode", "advice.references.broken",
    "advice.server.fsync", "advice.server.standby", "advice.connections.few", "advice.connections.idle",
    "advice.sqlite.reset", "advice.disk.low", "advice.disk.full", "advice.writing.refused", "advice.writing.rights", "advice.mail.waiting",
    "advice.mail.failing", "advice.mail.failed", "advice.collections.waiting", "advice.collections.failing",
    "advice.collections.submitting", "advice.collections.doubtful", "advice.refunds.waiting",
    "advice.refunds.failing", "advice.refunds.submitting", "advice.refunds.doubtful", "advice.events.waiting",
    "advice.events.failing", "advice.events.parked", "advice.methods.waiting", "advice.alerts.open",
    "advice.runs.missed", "advice.drafts.left", "advice.clock.ahead", "advice.work.unreadable",
    "advice.damage.found", "advice.schema.constraints", "advice.imports.unfinished",
)  # fmt: skip
_EXTRAS: Final = (
    "extra.sql", "extra.postgres", "extra.cli", "extra.pdf", "extra.mail", "extra.web", "extra.stripe",
    "extra.gocardless", "extra.otel", "extra.procrastinate", "extra.testing",
)  # fmt: skip
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_EXTRA: Final = re.compile(r"""extra == ['"]([^'"]+)['"]""")


def _doctor(args: argparse.Namespace) -> int:
    found = list(_library())
    plugins, of_plugins = _plugins()
    found += [*of_plugins, *_extras()]
    locale = spoken(None, args.lang)
    try:
        with opened(args.db, plugins=plugins) as billing:
            biller = the_biller(billing, args.biller) if args.biller is not None else None
            with suppress(StoreError):  # that they cannot be read is told below
                locale = spoken_by([biller] if biller is not None else billing.billers.all(), args.lang)[1]
            found += billing.examine(biller=biller)
    except InvoicecoreError as error:
        found.append(Finding(code="store.unusable", verdict=Verdict.PROBLEM, data={"why": sentence(error)}))
    found = _agreeing(found)
    worst = max(found, key=lambda each: list(Verdict).index(each.verdict)).verdict
    if args.json:
        told = [
            {
                "code": each.code,
                "verdict": each.verdict,
                "data": each.data,
                "text": _said("found", _FOUND, each, locale),
                "advice": _said("advice", _ADVICE, each, locale),
            }
            for each in found
        ]
        answer({"verdict": worst, "findings": told})
    else:
        _show(Screen(), found, locale)
    return _REFUSED if worst is Verdict.PROBLEM else _DONE


def _agreeing(found: Sequence[Finding]) -> list[Finding]:
    """Without what is only said to be well by one who looked at it, where another found that it is not."""
    bad = {_looked_at(each) for each in found if each.verdict is not Verdict.OK}
    return [each for each in found if each.verdict is not Verdict.OK or each.data or each.code not in bad]


def _looked_at(finding: Finding) -> str:
    return finding.code.partition(".")[0]


def _show(screen: Screen, found: Sequence[Finding], locale: str) -> None:
    columns = [
        Column(tell("head.checked", locale)),
        Column(tell("head.verdict", locale)),
        Column(tell("head.found", locale), wraps=True),
        Column(tell("head.advice", locale), wraps=True),
    ]
    rows = [
        (
            _check(each, locale),
            Cell(tell(_VERDICTS[list(Verdict).index(each.verdict)], locale), _COLOURS[each.verdict]),
            _said("found", _FOUND, each, locale),
            _said("advice", _ADVICE, each, locale),
        )
        for each in found
    ]
    screen.table(columns, rows)
    counts = {verdict.value: sum(1 for each in found if each.verdict is verdict) for verdict in Verdict}
    screen.line()
    screen.line(tell("examined", locale, **counts))


def _check(finding: Finding, locale: str) -> str:
    name = _looked_at(finding)
    return tell(f"check.{name}", locale) if f"check.{name}" in _CHECKS else name


def _said(what: str, known: Sequence[str], finding: Finding, locale: str) -> str:
    """What is said of a finding, in the reader's words where there are any, else in its own."""
    key = f"{what}.{finding.code}"
    if key not in known:
        return finding.text if what == "found" else finding.advice
    data = {name: _shown(value, locale) for name, value in finding.data.items()}
    if finding.code.startswith("extras"):
        use = f"extra.{finding.data['extra']}"
        data["use"] = tell(use, locale) if use in _EXTRAS else ""
    return tell(key, locale, **data)


def _shown(value: object, locale: str) -> str:
    return format_date(value, locale) if isinstance(value, date) else "?" if value is None else str(value)


# --- the installation -------------------------------------------------------------------------------------------------


def _library() -> Iterator[Finding]:
    installed = _installed()
    known = installed.version if installed is not None else "?"
    yield Finding(code="library", data={"version": known, "python": platform.python_version()})


def _installed() -> Distribution | None:
    try:
        return distribution(_PROJECT)
    except PackageNotFoundError:
        return None


def _plugins() -> tuple[Plugins, list[Finding]]:
    """The plugins that work, and what there is to say of each."""
    found: list[Finding] = []
    working: list[object] = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        data = {"name": point.name, "of": _origin(point)}
        try:
            plugin = point.load()
            Plugins.of(*working, plugin).listing()  # with those before it: two may offer one name
        except (Exception, SystemExit) as error:  # whatever a stranger's module raises
            why = {"why": f"{type(error).__name__}: {error}"}
            found.append(Finding(code="plugins.broken", verdict=Verdict.PROBLEM, data=data | why))
        else:
            working.append(plugin)
            found.append(Finding(code="plugins", data=data))
    return Plugins.of(*working), found


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value


def _extras() -> Iterator[Finding]:
    """Each extra: whether what it installs is there."""
    installed = _installed()
    needs: dict[str, list[str]] = {}
    for line in (installed.requires or []) if installed is not None else []:
        name, extra = _NAME.match(line), _EXTRA.search(line)
        if name is not None and extra is not None and extra[1] != _TOGETHER:
            needs.setdefault(extra[1], []).append(name[0])
    for title, packages in sorted(needs.items()):
        lacking = [package for package in packages if not _is_there(package)]
        data = {"extra": title, "packages": ", ".join(lacking or packages)}
        if not lacking:
            yield Finding(code="extras", data=data)
        elif len(lacking) == len(packages):
            yield Finding(code="extras.missing", data=data)
        else:
            yield Finding(code="extras.partly", verdict=Verdict.WARNING, data=data)


def _is_there(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


DOCTOR: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {"doctor": _doctor}
