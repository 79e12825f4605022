"""Charts of the HTML report as SVG text: bars with intervals, the reliability diagram, curves."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from asr.scoring.statistics.bootstrap import Interval
from asr.scoring.statistics.calibration import Calibration

WIDTH, LABELS, VALUES = 900, 190, 200
BAR, GAP = 14, 10
"""Pixels: whole chart, room for labels and for values; height of a bar, space between rows."""
SIDE, MARGIN = 300, 44
"""Pixels: a square diagram and the room for its axes."""
MOST_ERRORS = 40


class Bar(NamedTuple):
    """One bar: a rate as fraction, its interval, and what stands beside it."""

    rate: float
    interval: Interval | None
    note: str


def bar_chart(title: str, rows: Sequence[tuple[str, Sequence[Bar | None]]]) -> Markup:
    """Horizontal bars, a row a group and in it a bar a system; intervals as whiskers.

    Args:
        title: what a screen reader says.
        rows: label and a bar for each system, None where a system has none.
    """
    ends = [_end(bar) for _, bars in rows for bar in bars if bar]
    full = max([end for end in ends if math.isfinite(end)], default=0.0) or 1.0
    scale = (WIDTH - LABELS - VALUES) / full
    shapes: list[Markup] = []
    y = 0
    for label, bars in rows:
        middle = y + len(bars) * BAR / 2
        shapes.append(_text(LABELS - 8, middle + 4, _shortened(label, 26), "end", label))
        for system, bar in enumerate(bars):
            if bar:
                shapes += _bar(bar, system, y, scale, full)
            y += BAR
        y += GAP
    return _svg(title, WIDTH, y, shapes)


def _bar(bar: Bar, system: int, y: float, scale: float, full: float) -> list[Markup]:
    length = scale * min(bar.rate, full)
    shapes = [
        Markup('<rect x="{}" y="{}" width="{:.1f}" height="{}" class="s{}"/>').format(
            LABELS, y + 1, length, BAR - 2, system % 4
        )
    ]
    end = length
    if bar.interval and math.isfinite(bar.interval.high):
        low, end = scale * bar.interval.low, max(length, scale * bar.interval.high)
        shapes.append(
            Markup('<path d="M{0:.1f} {2}H{1:.1f}M{0:.1f} {3}v6M{1:.1f} {3}v6" class="whisker"/>').format(
                LABELS + low, LABELS + scale * bar.interval.high, y + BAR / 2, y + BAR / 2 - 3
            )
        )
    rate = f"{100 * bar.rate:.2f} %" if math.isfinite(bar.rate) else "no reference"
    return [*shapes, _text(LABELS + end + 6, y + BAR - 3, f"{rate}  {bar.note}", "start", "")]


def scatter_chart(pairs: Mapping[tuple[int, int], int], names: tuple[str, str]) -> Markup:
    """Utterances by the errors of two systems: a disc a pair of counts, its area the number of utterances.

    Args:
        pairs: (errors of A, errors of B) -> utterances; pairs beyond `MOST_ERRORS` stand at the edge.
        names: of A and B.
    """
    kept: Counter[tuple[int, int]] = Counter()
    for (a, b), count in pairs.items():
        kept[min(a, MOST_ERRORS), min(b, MOST_ERRORS)] += count
    full = max([max(pair) for pair in kept], default=1) or 1
    largest = max(kept.values(), default=1)
    shapes = _axes(
        f"errors of {_shortened(names[0], 30)}", f"errors of {_shortened(names[1], 30)}", str(full), str(full)
    )
    shapes.append(Markup('<path d="M{} {}L{} {}" class="diagonal"/>').format(*_at(0, 0), *_at(1, 1)))
    for (a, b), count in sorted(kept.items()):
        x, y = _at(a / full, b / full)
        better = "s0" if a < b else "s1" if b < a else "even"
        note = f"{count} utterances: {names[0]} {a}, {names[1]} {b} errors"
        shapes.append(
            Markup(
                '<circle cx="{:.1f}" cy="{:.1f}" r="{:.1f}" class="{} disc" data-a="{}" data-b="{}">'
                "<title>{}</title></circle>"
            ).format(x, y, 2 + 10 * math.sqrt(count / largest), better, a, b, note)
        )
    return _svg(f"Errors of {names[0]} and {names[1]} in each utterance", SIDE + 2 * MARGIN, SIDE + 2 * MARGIN, shapes)


def reliability_diagram(calibration: Calibration) -> Markup:
    """Accuracy against confidence; the nearer to the diagonal, the more the confidences can be believed."""
    shapes = _axes("confidence", "share of words that is right", "1", "1")
    for b in calibration.bins:
        x, top = _at(b.low, b.accuracy)
        note = f"{b.words} words, confidence {b.confidence:.3f}, right {b.accuracy:.3f}"
        shapes.append(
            Markup(
                '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="s0"><title>{}</title></rect>'
            ).format(x + 1, top, SIDE * (b.high - b.low) - 2, _at(0, 0)[1] - top, note)
        )
    shapes.append(Markup('<path d="M{} {}L{} {}" class="diagonal"/>').format(*_at(0, 0), *_at(1, 1)))
    return _svg("Reliability diagram", SIDE + 2 * MARGIN, SIDE + 2 * MARGIN, shapes)


def rejection_chart(calibration: Calibration) -> Markup:
    """Share of wrong words among those kept against the share of words that was dropped."""
    full = max(error for _, error in calibration.rejection) or 1.0
    furthest = calibration.rejection[-1][0]
    points = [_at(share / furthest, error / full) for share, error in calibration.rejection]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    shapes = _axes("share of words rejected", "share of wrong words among those kept", f"{furthest:.0%}", f"{full:.1%}")
    return _svg(
        "Rejection curve",
        SIDE + 2 * MARGIN,
        SIDE + 2 * MARGIN,
        [*shapes, Markup('<path d="{}" class="curve"/>').format(path)],
    )


def _axes(below: str, beside: str, furthest: str, highest: str) -> list[Markup]:
    """Two axes from 0, with their names and the values at their ends."""
    (left, bottom), (right, top) = _at(0, 0), _at(1, 1)
    return [
        Markup('<path d="M{} {}V{}H{}" class="axis"/>').format(left, top, bottom, right),
        _text((left + right) / 2, bottom + 18, below, "middle", ""),
        _text(left, bottom + 18, "0", "middle", ""),
        _text(right, bottom + 18, furthest, "middle", ""),
        _text(left - 4, top + 4, highest, "end", ""),
        Markup('<text transform="translate({} {}) rotate(-90)" text-anchor="middle">{}</text>').format(
            left - 10, (top + bottom) / 2, beside
        ),
    ]


def _at(x: float, y: float) -> tuple[float, float]:
    """Pixel of a point in the unit square."""
    return MARGIN + SIDE * x, MARGIN / 2 + SIDE * (1 - y)


def _end(bar: Bar) -> float:
    return max(bar.rate, bar.interval.high) if bar.interval else bar.rate


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else "…" + text[1 - most :]


def _text(x: float, y: float, text: str, anchor: str, title: str) -> Markup:
    hint = Markup("<title>{}</title>").format(title) if title else ""
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}{}</text>').format(x, y, anchor, hint, text)


def _svg(title: str, width: float, height: float, shapes: Sequence[Markup]) -> Markup:
    return Markup('<svg viewBox="0 0 {0} {1}" width="{0}" role="img" aria-label="{2}">{3}</svg>').format(
        width, height, escape(title), Markup("").join(shapes)
    )
