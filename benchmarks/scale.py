"""Capacity from 10,000 to 100 million leases: a simulation of the night's run, and sums for the rest of the month.

python benchmarks/scale.py              print the tables of docs/scale.md
python benchmarks/scale.py --write      … and put them into that page
python benchmarks/scale.py --measure    measure the measured inputs anew, on Linux in about a minute, then --write
python benchmarks/scale.py --check      run what the simulation is checked by, in about two minutes, then --write

Costs are those of benchmarks/capacity.json, measured by capacity.py; the night is simulated by night.py. The same inputs
give the same tables.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

from night import SHARD, Inputs, Night, alone, billers, by_turns, held, night, one_by_one, spread

INPUTS: Final = Path(__file__).with_name("capacity.json")
PAGE: Final = Path(__file__).parents[1] / "docs" / "scale.md"
SIZES: Final = (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
WORKERS: Final = (1, 4, 16, 64)
MONTHS: Final = 60  # of what is kept
_MEASURED: Final = "measured on "

# --- the month --------------------------------------------------------------------------------------------------------


def kept(inputs: Inputs) -> float:
    """Bytes that a lease's month leaves, in tables and indexes."""
    return _share(inputs, "heap_bytes") + _share(inputs, "index_bytes") + _more_events(inputs) * inputs["event_bytes"]


def transactions(inputs: Inputs) -> float:
    """Transactions that write for a lease's month."""
    return _share(inputs, "transactions") + _more_events(inputs) * inputs["event_transactions"]


def logged(inputs: Inputs) -> float:
    """Bytes of log that a lease's month writes."""
    return _share(inputs, "wal") + _more_events(inputs) * inputs["event_wal"]


def mail_seconds(inputs: Inputs) -> float:
    """What a lease's e-mails take one process: the next is made while one is sent."""
    making = inputs["document_worker"] + inputs["message_worker"] + inputs["message_server"]
    return _share(inputs, "messages") * max(inputs["send_seconds"], making)


def collect_seconds(inputs: Inputs) -> float:
    """What a debit takes the process that submits it, most of it spent waiting for the provider."""
    return inputs["debit_requests"] * inputs["provider_seconds"] + inputs["debit_worker"] + inputs["debit_server"]


def requests(inputs: Inputs) -> tuple[float, float]:
    """Requests to GoCardless for a lease: until its debit is submitted, and in the whole month."""
    first = inputs["debit_requests"] + inputs["events_early"] * inputs["early_event_requests"]
    rest = inputs["events_late"] * inputs["late_event_requests"]
    return inputs["debited"] * first, inputs["debited"] * (first + rest)


def server_seconds(inputs: Inputs) -> dict[str, float]:
    """What a lease's month costs the database's processors, by journey."""
    return _spent(inputs, "server")


def worker_seconds(inputs: Inputs) -> dict[str, float]:
    """What it costs those of the host's own processes."""
    found = _spent(inputs, "worker")
    found["e-mail"] += _share(inputs, "messages") * inputs["document_worker"]
    return found


def _spent(inputs: Inputs, where: str) -> dict[str, float]:
    debited, a_shard = inputs["debited"], 1 / inputs["leases_a_biller"]
    events = inputs["events_early"] + inputs["events_late"]
    run = sum(
        inputs[f"lease_{each}_{where}"] + a_shard * inputs[f"shard_{each}_{where}"] for each in ("decide", "write")
    )
    return {
        "run": run,
        "e-mail": _share(inputs, "messages") * inputs[f"message_{where}"],
        "debits": debited * inputs[f"debit_{where}"],
        "events": debited * events * inputs[f"event_{where}"],
        "transfers": (1 - debited) * inputs[f"payment_{where}"],
    }


def _share(inputs: Inputs, what: str) -> float:
    return inputs["debited"] * inputs[f"debit_{what}"] + (1 - inputs["debited"]) * inputs[f"transfer_{what}"]


def _more_events(inputs: Inputs) -> float:
    # What was measured had its money come and be paid out; what comes before is told of too.
    return inputs["debited"] * inputs["events_early"]


def cold_share(leases: int, inputs: Inputs) -> float:
    """Which share of the pages a run needs is on disk only, after five years: what memory has no room for."""
    return max(0.0, 1 - inputs["memory"] / (leases * MONTHS * kept(inputs)))


# --- what is met first ------------------------------------------------------------------------------------------------


class Limit(NamedTuple):
    """Something that is enough up to so many leases, in which time, and what takes over."""

    name: str
    leases: float
    window: str
    then: str


def limits(inputs: Inputs) -> list[Limit]:
    """What a host meets as its leases grow, in that order: one of everything, all leases due on one day."""
    day, window, mean = inputs["day"], inputs["window"], inputs["leases_a_biller"]
    mails, debited = _share(inputs, "messages"), inputs["debited"]
    gocardless = inputs["gocardless_a_minute"] * day / 60
    first, whole = requests(inputs)
    server = server_seconds(inputs)
    early = inputs["events_early"] / (inputs["events_early"] + inputs["events_late"])
    cutting = (inputs["biller_cut_worker"] + inputs["biller_cut_server"]) / mean
    on_day, at_night = "a day", f"a night of {_time(window)}"
    found = [
        Limit("the e-mails of a new account at Amazon SES", inputs["mails_a_day"] / mails, on_day, _QUOTA),
        Limit("the e-mails a second of such an account", inputs["mails_a_second"] * day / mails, on_day, _QUOTA),
        Limit("one process that delivers", day / mail_seconds(inputs), on_day, "more of them at once"),
        Limit(
            "one process that collects",
            day / collect_seconds(inputs) / debited,
            on_day,
            "one for each part of the billers",
        ),
        Limit("GoCardless, until all is submitted", gocardless / first, on_day, _ACCOUNTS),
        Limit("GoCardless, spread evenly", gocardless * 30 / whole, "a month", _ACCOUNTS),
        Limit("Stripe, were they charges of cards", inputs["stripe_a_second"] * day / debited, on_day, _ACCOUNTS),
        Limit("memory, after five years", inputs["memory"] / MONTHS / kept(inputs), "–", "fast disks; partitions"),
        Limit(
            "a restore, after five years", window * inputs["log_a_second"] / MONTHS / kept(inputs), at_night, _DATABASES
        ),
        Limit(
            "the database's cores",
            inputs["cores"] * day / (sum(server.values()) - server["transfers"] - (1 - early) * server["events"]),
            on_day,
            _DATABASES,
        ),
        Limit(
            "transactions between two vacuums of everything",
            inputs["transactions_left"] / transactions(inputs),
            "a month",
            "partitions, each vacuumed by itself",
        ),
        Limit(
            "one worker of the run", window * mean / alone(round(mean), 1, inputs, cold=1.0), at_night, "more workers"
        ),
        Limit(
            "the job queue, a job for each shard", window * inputs["jobs_a_second"] * mean, at_night, "cron, by biller"
        ),
        Limit("one process that cuts the run", window / cutting, at_night, "cutting biller by biller, at once"),
        Limit(
            "the numbers of one biller that has them all",
            window * SHARD / held(SHARD, 1, inputs, cold=1.0),
            at_night,
            "a second biller, with numbers of its own",
        ),
    ]
    return sorted(found, key=lambda each: each.leases)


_QUOTA: Final = "a higher quota, asked for early; other servers"
_ACCOUNTS: Final = "a higher limit, asked for early; an account for each database"
_DATABASES: Final = "a database for each part of the billers; Citus"


# --- tables -----------------------------------------------------------------------------------------------------------


def tables(
    given: Mapping[str, Mapping[str, object]], inputs: Inputs, checks: Sequence[Mapping[str, float]]
) -> dict[str, str]:
    """Every table of the page by its name, as Markdown."""
    return {
        "inputs": _inputs_table(given),
        "rates": _rates_table(inputs),
        "checked": _checked_table(inputs, checks),
        "night": _night_table(inputs),
        "month": _month_table(inputs),
        "limits": _table(
            ("enough up to so many leases", "what", "in", "what takes over"),
            [(_number(each.leases), each.name, each.window or "–", each.then) for each in limits(inputs)],
        ),
    }


def _rates_table(inputs: Inputs) -> str:
    large = SHARD / alone(SHARD, 1, inputs)
    mean = round(inputs["leases_a_biller"])
    _, whole = requests(inputs)
    rates = {
        f"a worker of the run, over billers of {SHARD:,} leases: invoices": large,
        f"the same, over billers of {mean}": mean / alone(mean, 1, inputs),
        "all workers together, over one biller: invoices": SHARD / held(SHARD, 1, inputs),
        "the database, if the run is all it does: invoices": inputs["cores"] / server_seconds(inputs)["run"],
        "a process that delivers: e-mails": 1 / mail_seconds(inputs),
        "a process that collects: debits": 1 / collect_seconds(inputs),
        "a GoCardless account: debits, with all that is asked about them later": inputs["gocardless_a_minute"]
        / 60
        * inputs["debited"]
        / whole,
    }
    return _table(("one of them", "an hour"), [(name, _number(rate * 3600)) for name, rate in rates.items()])


def foretold(check: Mapping[str, float], inputs: Inputs) -> float:
    """What the simulation says of a run that was made on the machine that the inputs were measured on."""
    parks, leases, workers = (int(check[name]) for name in ("billers", "leases", "workers"))
    here = {**inputs, "cores": check["cores"]}
    return night(spread([leases // parks] * parks), workers, here, shared=True).seconds


def _checked_table(inputs: Inputs, checks: Sequence[Mapping[str, float]]) -> str:
    rows = []
    for check in checks:
        said = foretold(check, inputs)
        counts = (f"{check[name]:,}" for name in ("leases", "billers", "workers"))
        measured = f"{_time(check['seconds'])}, load {check['load']:.1f}"
        rows.append((*counts, measured, _time(said), f"{said / check['seconds']:.2f}"))
    return _table(("leases", "billers", "workers", "measured", "simulated", "ratio"), rows)


def _night_table(inputs: Inputs) -> str:
    rows = []
    for leases in SIZES:
        sizes, cold = billers(leases, inputs["leases_a_biller"], inputs["tail"]), cold_share(leases, inputs)
        tasks = spread(sizes)
        nights = [night(tasks, workers, inputs, cold=cold) for workers in WORKERS]
        others = [night(order(sizes), WORKERS[-1], inputs, cold=cold) for order in (by_turns, one_by_one)]
        cutting = len(sizes) * (inputs["biller_cut_worker"] + inputs["biller_cut_server"])
        rows.append(
            (
                *(f"{leases:,}", f"{len(sizes):,}", f"{sizes[0]:,}", _time(cutting)),
                *(_time(each.seconds) for each in nights),
                saturated(nights[-1]),
                *(_time(each.seconds) for each in others),
            )
        )
    return _table(
        (
            *("leases", "billers", "the largest", "cut by one"),
            *(f"{workers} worker{'s' if workers > 1 else ''}" for workers in WORKERS),
            *(f"the limit of {WORKERS[-1]}", f"{WORKERS[-1]} by turns", f"{WORKERS[-1]} biller by biller"),
        ),
        rows,
    )


def saturated(what: Night) -> str:
    """What kept a night from being shorter: the station that worked most of it, else the number of workers."""
    name, load = max(((name, load) for name, load in what.loads.items() if name != "workers"), key=lambda each: each[1])
    words = {"cores": "the database's cores", "disk": "its reads", "log": "its log", "counter": "the largest's numbers"}
    return f"{words[name]} ({load:.0%})" if load > 0.8 else "workers"


def _month_table(inputs: Inputs) -> str:
    server, worker = server_seconds(inputs), worker_seconds(inputs)
    mails, (_, asked) = _share(inputs, "messages"), requests(inputs)
    rows = [
        (
            f"{leases:,}",
            f"{math.ceil(leases * mail_seconds(inputs) / inputs['day']):,}",
            _days(leases * mails / inputs["mails_a_day"]),
            _days(leases * asked / inputs["gocardless_a_minute"] / 60 / 24),
            _hours(leases * sum(server.values())),
            f"{server['run'] / sum(server.values()):.1%}",
            _hours(leases * sum(worker.values())),
            _bytes(leases * logged(inputs)),
            _bytes(leases * MONTHS * kept(inputs)),
            str(levels(leases, inputs)),
        )
        for leases in SIZES
    ]
    heads = (
        *("leases", "deliverers, to send in a day", "days at a new e-mail quota", "days at one GoCardless account"),
        *("hours of the database's cores", "of them the run", "hours of other cores", "log"),
        *("tables after five years", "levels of an index"),
    )
    return _table(heads, rows)


def levels(leases: int, inputs: Inputs) -> int:
    """How many pages deep an index of all invoices is after five years."""
    pages, found = leases * MONTHS / inputs["index_entries"], 1
    while pages > 1:
        pages, found = pages / inputs["index_entries"], found + 1
    return found


def _inputs_table(given: Mapping[str, Mapping[str, object]]) -> str:
    measured = sorted({str(each["from"]) for each in given.values() if str(each["from"]).startswith(_MEASURED)})
    machines = "".join(f"\n{each[0].upper()}{each[1:]}.\n" for each in measured)
    return _table(("input", "value", "from"), [_input(each) for each in given.values()]) + machines


def _input(each: Mapping[str, object]) -> tuple[str, str, str]:
    value, unit = float(str(each["value"])), str(each["unit"])
    if unit in ("s", "B"):
        shown = _time(value) if unit == "s" else _bytes(value)
    else:
        shown = f"{value:.0%}" if unit == "share" else f"{_number(value)} {unit}".strip()
    source = str(each["from"])
    return str(each["what"]), shown, source.partition(":")[0] if source.startswith(_MEASURED) else source


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _time(seconds: float) -> str:
    for size, unit, below in ((1e-6, "µs", 1e-3), (1e-3, "ms", 1), (1, "s", 100), (60, "min", 6000), (3600, "h", 1e6)):
        if seconds < below * 0.9995:
            return f"{_number(seconds / size)} {unit}"
    return f"{seconds / 86400:,.0f} days"


def _hours(seconds: float) -> str:
    return _number(seconds / 3600)


def _days(days: float) -> str:
    return _number(days) if days >= 1 else "1"


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{_number(size)} {unit}"
        size /= 1000
    return f"{_number(size)} TB"


def _number(value: float) -> str:
    """Two digits that count, or all of a whole number's that is smaller."""
    if value == 0:
        return "0"
    digits = 1
    while value * 10 ** (digits - 1) < 10 and digits < 9 and round(value, digits - 1) != value:
        digits += 1
    if value >= 100:
        unit = 10 ** (len(f"{value:.0f}") - 2)
        return f"{round(value / unit) * unit:,}"
    return f"{value:.{digits - 1}f}"


# --- the command ------------------------------------------------------------------------------------------------------


def read(path: Path = INPUTS) -> tuple[dict[str, dict[str, object]], dict[str, float], list[dict[str, float]]]:
    """The inputs as they are written down, their values by name, and the runs that the simulation is checked by."""
    written = json.loads(path.read_text("utf-8"))
    return (
        written["inputs"],
        {name: float(each["value"]) for name, each in written["inputs"].items()},
        written["checked"],
    )


def page_with(text: str, shown: Mapping[str, str]) -> str:
    """A page with its tables as they are now: those between `<!-- scale.py: name -->` and `<!-- end -->`."""
    pattern = r"(<!-- scale\.py: (\w+) -->\n)(?:(?!<!--).)*(<!-- end -->)"
    return re.sub(pattern, lambda found: f"{found[1]}\n{shown[found[2]]}\n{found[3]}", text, flags=re.DOTALL)


def main() -> int:
    """Print the tables, having measured or written what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/scale.md")
    parser.add_argument("--measure", action="store_true", help="measure the measured inputs anew, then --write")
    parser.add_argument("--check", action="store_true", help="run what the simulation is checked by, then --write")
    given = parser.parse_args()
    if given.measure or given.check:
        _renew(measure=given.measure, check=given.check)
    shown = tables(*read())
    if given.measure or given.check or given.write:
        PAGE.write_text(page_with(PAGE.read_text("utf-8"), shown), "utf-8")
    print("\n".join(shown.values()))
    return 0


def _renew(*, measure: bool, check: bool) -> None:
    import capacity  # needs all of the library and a PostgreSQL; the simulation needs neither

    written = json.loads(INPUTS.read_text("utf-8"))
    if measure:
        for name, value in capacity.measured().items():
            source = f"{_MEASURED}{date.today().isoformat()}: {capacity.machine()}"
            written["inputs"][name] |= {"value": float(f"{value:.4g}"), "from": source}
    for each in written["checked"] if check else ():
        each["load"] = os.getloadavg()[0]
        each["seconds"] = float(f"{capacity.checked(each['workers'], each['billers'], each['leases']):.4g}")
        each["cores"] = os.cpu_count()
    INPUTS.write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
