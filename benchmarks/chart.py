"""Line charts as SVG, written by hand: panels side by side, sizes on a logarithmic axis."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 400, 330  # of a panel
LEFT, RIGHT, TOP, BOTTOM = 64, 32, 40, 92
COLOURS = ("#0b6e99", "#c2410c", "#5b21b6")


class Line(NamedTuple):
    """One line: points of (size, value), a colour by number; dashed where it is beside another of its colour."""

    name: str
    points: list[tuple[float, float]]
    colour: int
    dashed: bool = False


class Panel(NamedTuple):
    """One chart; with `proportional`, a logarithmic axis and a grey line to show what growing with size looks like."""

    title: str
    unit: str
    lines: list[Line]
    proportional: bool = False


def svg(panels: list[Panel], below: str) -> str:
    """The panels in a row, and a line of text below them."""
    width, height = WIDTH * len(panels), HEIGHT + 24
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
            ' font-family="sans-serif" role="img">',
            f"<title>{escape('; '.join(f'{panel.title}, {panel.unit}, by leases' for panel in panels))}</title>",
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
            *(part for n, panel in enumerate(panels) for part in _panel(panel, n * WIDTH)),
            _text(LEFT, height - 10, below, colour="#555"),
            "</svg>\n",
        ]
    )


def _panel(panel: Panel, x0: int) -> Iterator[str]:
    sizes = sorted({x for line in panel.lines for x, _ in line.points})
    values = [y for line in panel.lines for _, y in line.points]
    x_low, x_high = _decades(sizes)
    ticks = _log_ticks(values) if panel.proportional else _ticks(max(values))
    low, high = (math.log10(ticks[0]), math.log10(ticks[-1])) if panel.proportional else (0.0, ticks[-1])
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def x(size: float) -> float:
        return LEFT + (math.log10(size) - x_low) / (x_high - x_low) * (right - LEFT)

    def y(value: float) -> float:
        at = math.log10(value) if panel.proportional else value
        return bottom - (at - low) / (high - low) * (bottom - TOP)

    yield f'<g transform="translate({x0} 0)">'
    yield _text(LEFT, 20, f"{panel.title}, {panel.unit}", size=14)
    for tick in ticks:
        yield _path([(LEFT, y(tick)), (right, y(tick))], "#ddd")
        yield _text(LEFT - 6, y(tick) + 4, f"{tick:,g}", anchor="end")
    for decade in range(round(x_low), round(x_high) + 1):
        yield _path([(x(10**decade), TOP), (x(10**decade), bottom)], "#ddd")
        yield _text(x(10**decade), bottom + 16, f"{10**decade:,}", anchor="middle")
    yield _text((LEFT + right) / 2, bottom + 34, "leases", anchor="middle")
    if panel.proportional:
        start, value = max((line.points[-1] for line in panel.lines), key=lambda point: point[0])
        first = max(10**x_low, start / value * 10**low)
        yield _path([(x(first), y(first * value / start)), (x(start), y(value))], "#aaa", dash="2 3")
    for line in panel.lines:
        colour = COLOURS[line.colour]
        yield _path([(x(size), y(value)) for size, value in line.points], colour, 2, "6 4" if line.dashed else "")
        yield from (f'<circle cx="{x(s):.1f}" cy="{y(v):.1f}" r="3" fill="{colour}"/>' for s, v in line.points)
    yield from _legend(panel, bottom + 54)
    yield "</g>"


def _legend(panel: Panel, top: int) -> Iterator[str]:
    for n, line in enumerate(panel.lines):
        left, y = LEFT + n % 2 * (WIDTH - LEFT) / 2, top + n // 2 * 16
        yield _path([(left, y), (left + 24, y)], COLOURS[line.colour], 2, "6 4" if line.dashed else "")
        yield _text(left + 30, y + 4, line.name)


def _decades(sizes: list[float]) -> tuple[int, int]:
    low = math.floor(math.log10(sizes[0]))
    return low, max(math.ceil(math.log10(sizes[-1])), low + 1)


def _log_ticks(values: Iterable[float]) -> list[float]:
    given = list(values)
    low = math.floor(math.log10(min(given)))
    return [10.0**n for n in range(low, max(math.ceil(math.log10(max(given))), low + 1) + 1)]


def _ticks(highest: float) -> list[float]:
    step = 10 ** math.floor(math.log10(highest))
    step = next(step * part for part in (0.2, 0.5, 1, 2) if highest / (step * part) <= 6)
    return [step * n for n in range(math.ceil(highest / step) + 1)]


def _path(points: list[tuple[float, float]], colour: str, width: int = 1, dash: str = "") -> str:
    way = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="{width}"{dashed}/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12, colour: str = "#222") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{escape(text)}</text>'
    )
