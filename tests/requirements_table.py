"""The requirements, and the tests that hold each: `python tests/requirements_table.py --write` renews the page.

The page docs/requirements.md is generated from REQUIREMENTS below and from the markers `@pytest.mark.rule("R4", "M8")`
on tests, test classes and whole files (`pytestmark`), in tests/ and in the contracts of src/invoicecore/testing/.
Nothing is imported: the markers are read from the source.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = Path("docs/requirements.md")
CONTRACTS = Path("src/invoicecore/testing")


@dataclass(frozen=True)
class Requirement:
    id: str
    says: str


SECTIONS: dict[str, tuple[str, tuple[Requirement, ...]]] = {
    "R": (
        "Residents",
        (
            Requirement(
                "R1",
                "A biller has payments switched on or off. Off refuses new invoices, pay links and charges with a named "
                "error, and the run reports it; publishing, recording, refunding and voiding stay allowed.",
            ),
            Requirement("R2", "A one-time invoice is for one unit; units list in natural order, lived in or not."),
            Requirement("R3", "No resident, or no e-mail address: the invoice is made all the same, with warnings."),
            Requirement(
                "R4", "A title is not blank; an amount is above zero, finite, exact, in the biller's currency."
            ),
            Requirement("R5", "A one-time invoice is due today or later, in the biller's time zone."),
            Requirement("R6", "A description is optional, and the resident sees it."),
            Requirement(
                "R7",
                "Notifying is a wish on the draft and happens at publish; what is said at publish wins. Notices are "
                "composed after credit is applied.",
            ),
            Requirement("R8", "A new invoice is a draft; a customer sees an invoice only if it was ever published."),
            Requirement(
                "R9", "The preview of a publish shows reference, expected number, amount, bill-to and warnings."
            ),
            Requirement(
                "R10", "Publishing opens a draft and nothing else; a due date gone by is a warning, or is moved."
            ),
            Requirement("R11", "Publishing all drafts counts first; one bad invoice does not stop the rest."),
            Requirement(
                "R12",
                "The e-mail carries the details and a Pay Now link, for card or bank transfer.",
            ),
            Requirement("R13", "Statuses, cards and the late badge have labels of their own, in English and French."),
            Requirement(
                "R14", "Only drafts are editable; void is refused while money is held or under way, naming why."
            ),
            Requirement("R15", "Whether drafts are voided, deleted or both is the biller's policy."),
            Requirement(
                "R16", "Summary cards add up: Total = Open + Overdue + Paid + refunded; drafts only in counts."
            ),
            Requirement("R17", "The same assessment for many units, or a total split by shares; once per key."),
            Requirement(
                "R18", "Actions carry an actor, can be refused by a hook, and stand in the invoice's timeline."
            ),
            Requirement("R19", "Bill-to is the primary resident at publish, frozen; later occupants never see it."),
        ),
    ),
    "C": (
        "Clients",
        (
            Requirement(
                "C1", "Charges stay open until invoiced; editable while open or on a draft; cancelled only open."
            ),
            Requirement("C2", "An invoice from all or chosen open charges; a charge is on at most one live invoice."),
            Requirement("C3", "Deleting a draft has no lasting effect: its charges are open again."),
            Requirement("C4", "Publishing locks charges and lines; telling the client follows biller, client, call."),
            Requirement("C5", "Where policy says so, void only after publishing; charges reopen only when asked."),
            Requirement(
                "C6",
                "Charging the client's saved card; a named error without one; nothing touches a draft.",
            ),
            Requirement(
                "C7", "Money received elsewhere is recorded, in full by default, in part, or over several invoices."
            ),
            Requirement(
                "C8", "A credit ledger per customer and currency, never negative, oldest due first when automatic."
            ),
            Requirement("C9", "A monthly cycle invoices a client's open charges once, and merges missed months."),
        ),
    ),
    "S": (
        "Stays",
        (
            Requirement("S1", "Invoices for bookings, leases, groups (per site or per payer) and on their own."),
            Requirement("S2", "A lease line says what it covers, in the locale's words and dates."),
            Requirement(
                "S3", "Rent is the price of one full period; a first or last partial one is reduced in proportion."
            ),
            Requirement(
                "S4", "Leases are generated advance days ahead: 7 by e-mail, 5 by debit; manual ones when asked."
            ),
            Requirement("S5", "A lease invoice is due the day before its period, or as policy says, also when late."),
            Requirement("S6", "Late means generated on the period's first day or after; stored once."),
            Requirement("S7", "A missed run catches up, each period once; nothing before `bill_from`; many warn."),
            Requirement("S8", "Statuses shown: Draft, Unpaid, Pending, Paid, Overdue, Voided, Refunded."),
            Requirement(
                "S9",
                "Per lease: collected by Direct Debit, or mailed. The run publishes in `stays`, drafts elsewhere unless "
                "policy says otherwise.",
            ),
            Requirement("S10", "Invoices are found by booking, lease, group, customer and unit, sorted and in pages."),
            Requirement("S11", "Every invoice can be had as a PDF, the same bytes on any day."),
            Requirement(
                "S12",
                "A refund in full or part, to where the money came from or to credit.",
            ),
            Requirement(
                "S13", "Outstanding is the balances of published, non-void invoices, per customer, lease, biller."
            ),
        ),
    ),
    "M": (
        "Calendar and money",
        (
            Requirement("M1", "Every rule takes the day; none given means the biller's own local date."),
            Requirement("M2", "Period n counts from the anchor, never from period n-1; days clamp to the month."),
            Requirement("M3", "A period is half-open; what people write and read is inclusive."),
            Requirement("M4", "Proration is exact, rounded half-up once to the minor unit, by a named day count."),
            Requirement("M5", "Splitting money conserves it: largest remainder, ties by order."),
            Requirement("M6", "A prorated line keeps how it came about."),
            Requirement("M7", "Taxes are computed per rate on the invoice's summed base, on top or included."),
            Requirement("M8", "What is not exact money of a real currency is refused at the door, field named."),
            Requirement("M9", "A billed lease is frozen but for rent from a date; ending early names what to credit."),
            Requirement("M10", "A line rounds once and totals add rounded lines; zero or less is not drafted."),
            Requirement("M11", "Decimals come from one table for arithmetic and print; one date pattern per locale."),
        ),
    ),
    "D": (
        "Derived status",
        (
            Requirement(
                "D1", "Stored are lifecycle and money facts; the shown status is a function of them and a date."
            ),
            Requirement("D2", "Settled, balance, and the order in which statuses are tried."),
            Requirement(
                "D3",
                "Paid is not final: reversed money opens the invoice again.",
            ),
            Requirement("D4", "A biller chooses a label set, a preset's or its own, complete in both languages."),
            Requirement("D5", "A store's query for a status agrees with the function, on every invoice and date."),
            Requirement(
                "D6",
                "Provider money is stored in full and the excess becomes credit; only hand entry refuses too much.",
            ),
        ),
    ),
    "N": (
        "Numbers and keys",
        (
            Requirement("N1", "Numbers are given at publish, without gap or repeat, also under load and failure."),
            Requirement(
                "N2", "One invoice per lease period and revision; a void keeps the claim, a deletion skips it."
            ),
            Requirement("N3", "The same key gives the first result back; other data under it is an error."),
            Requirement("N4", "Bulk work commits by pages, judges first, and retries a failed page item by item."),
        ),
    ),
    "T": (
        "Tenancy",
        (
            Requirement("T1", "Under a biller's scope other billers' rows do not exist."),
            Requirement(
                "T2",
                "A customer sees only their own published invoices; a link opens one invoice and tells of no other.",
            ),
        ),
    ),
    "P": (
        "Collections and credit notes",
        (
            Requirement("P1", "A debit is charged on the due date or when the mandate allows."),
            Requirement(
                "P2",
                "Collecting and sending refuse to run in a host's transaction.",
            ),
            Requirement("P3", "Reminders stop at zero, void, or a covering collection."),
            Requirement("P4", "Refunding a debit that can be reversed warns until when."),
            Requirement("P5", "A credit note is numbered and never exceeds its invoice."),
        ),
    ),
}
REQUIREMENTS = {each.id: each for _, each_of in SECTIONS.values() for each in each_of}


@dataclass(frozen=True)
class Held:
    """One marker: the ids it cites, and where; `test` is a test, a class of tests, or empty for a whole file."""

    ids: tuple[str, ...]
    path: Path
    test: str


@dataclass
class Scan:
    held: list[Held]
    problems: list[str]


def scan(root: Path = ROOT) -> Scan:
    """Every rule marker below tests/ and in the contracts, and what is wrong with any of them."""
    found = Scan([], [])
    bases: dict[str, set[str]] = defaultdict(set)  # class -> the names it inherits
    run: set[str] = set()  # classes that pytest collects in tests/
    contracts: dict[str, str] = {}  # contract class with markers -> where
    files = [*sorted((root / "tests").rglob("*.py")), *sorted((root / CONTRACTS).rglob("*.py"))]
    for file in files:
        path = file.relative_to(root)
        shipped = path.is_relative_to(CONTRACTS)
        tree = ast.parse(file.read_text("utf-8"), str(path))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases[node.name] |= {_last_name(base) for base in node.bases}
                if not shipped and node.name.startswith("Test"):
                    run.add(node.name)
        seen: set[ast.Call] = set()
        for test, markers in _marked(tree.body):
            seen |= set(markers)
            ids = tuple(arg.value for call in markers for arg in call.args if isinstance(arg, ast.Constant))
            found.held.append(Held(tuple(str(each) for each in ids), path, test))
            if shipped and test:
                contracts[test.partition(".")[0]] = path.as_posix()
            for call in markers:
                if not call.args or any(not isinstance(arg, ast.Constant) for arg in call.args) or call.keywords:
                    found.problems.append(f"{path.as_posix()}:{call.lineno}: a rule marker cites ids as plain strings")
            found.problems += [
                f"{path.as_posix()}: {test or 'pytestmark'} cites {each!r}, which is no requirement"
                for each in ids
                if each not in REQUIREMENTS
            ]
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _is_rule(node) and node not in seen:
                found.problems.append(f"{path.as_posix()}:{node.lineno}: this rule marker marks no test")
    inherited = set(run)
    while more := {base for name in inherited for base in bases[name]} - inherited:
        inherited |= more
    found.problems += [
        f"{path}: contract {name} holds rules, but no test class inherits it"
        for name, path in sorted(contracts.items())
        if name not in inherited and name in bases
    ]
    return found


def unheld(found: Scan) -> list[str]:
    """The ids that no test holds."""
    cited = {each for held in found.held for each in held.ids}
    return [f"{each.id}: no test holds it" for each in REQUIREMENTS.values() if each.id not in cited]


def _marked(body: Sequence[ast.stmt], inside: str = "") -> Iterator[tuple[str, list[ast.Call]]]:
    """(test, its markers), for the file (an empty name), classes with tests, and tests."""
    for node in body:
        calls: list[ast.Call] = []
        name = ""
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if node.value and any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in targets):
                name, calls = inside, _rules_in(node.value)
        elif isinstance(node, ast.ClassDef):
            name = f"{inside}.{node.name}".lstrip(".")
            calls = [call for decorator in node.decorator_list for call in _rules_in(decorator)]
            yield from _marked(node.body, name)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
            name = f"{inside}.{node.name}".lstrip(".")
            calls = [call for decorator in node.decorator_list for call in _rules_in(decorator)]
        if calls:
            yield name, calls


def _rules_in(node: ast.AST) -> list[ast.Call]:
    return [call for call in ast.walk(node) if isinstance(call, ast.Call) and _is_rule(call)]


def _is_rule(call: ast.Call) -> bool:
    """`pytest.mark.rule(...)`, or `rule(...)` where a contract has its own name for it."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr == "rule" and _last_name(call.func.value) == "mark"
    return isinstance(call.func, ast.Name) and call.func.id == "rule"


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Subscript):
        return _last_name(node.value)
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


HEAD = """\
# Requirements

Each rule has an id, which tests, docstrings and docs cite. This page is generated: the rules from
`tests/requirements_table.py`, the tests from their `rule` markers. `python tests/requirements_table.py --write` renews
it, and `tests/test_requirements.py` fails when it is stale.
"""


def page(found: Scan) -> str:
    tests: dict[str, dict[Path, set[str]]] = defaultdict(lambda: defaultdict(set))
    for held in found.held:
        for each in held.ids:
            tests[each][held.path].add(held.test)
    done = sum(1 for each in REQUIREMENTS if tests.get(each))
    parts = [HEAD, f"{done} of {len(REQUIREMENTS)} rules have tests.\n"]
    for title, requirements in SECTIONS.values():
        parts.append(f"## {title}\n")
        parts.append("| id | rule | held by |\n|---|---|---|")
        for rule in requirements:
            cells = [_cell(path, names) for path, names in sorted(tests[rule.id].items())]
            parts.append(f"| {rule.id} | {rule.says} | {'<br>'.join(cells)} |")
        parts.append("")
    return "\n".join(parts)


def _cell(path: Path, names: set[str]) -> str:
    link = f"[{path.name}](../{path.as_posix()})"
    return link if "" in names else f"{link}: " + ", ".join(f"`{name}`" for name in sorted(names))


def main(arguments: Sequence[str]) -> int:
    found = scan()
    if list(arguments) == ["--write"]:
        (ROOT / PAGE).write_text(page(found), "utf-8")
    elif arguments:
        print("usage: python tests/requirements_table.py [--write]", file=sys.stderr)
        return 2
    complaints = [*found.problems, *unheld(found)]
    print("\n".join(complaints) or "every rule has a test")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
