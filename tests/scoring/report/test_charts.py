"""SVG that a parser accepts, with what it shows in it."""

import math
from xml.etree import ElementTree

import numpy as np

from asr.scoring.report.charts import Bar, bar_chart, rejection_chart, reliability_diagram, scatter_chart
from asr.scoring.statistics.bootstrap import Interval
from asr.scoring.statistics.calibration import measure

CALIBRATION = measure(np.array([0.1, 0.5, 0.9, 0.95]), np.array([False, True, True, True]))


def shapes(svg: str, tag: str) -> list[ElementTree.Element]:
    return ElementTree.fromstring(svg).findall(tag)


def test_bars_are_as_long_as_their_rates_and_whiskers_reach_over_them() -> None:
    rows = [
        ("ann", [Bar(0.1, Interval(0.05, 0.2, 9), "1 / 10"), None]),
        ("bob", [Bar(0.2, None, ""), Bar(0.0, None, "")]),
    ]
    svg = bar_chart("by speaker", rows)
    lengths = [float(bar.attrib["width"]) for bar in shapes(svg, "rect")]
    assert lengths[1] == 2 * lengths[0]
    assert lengths[2] == 0
    assert len(shapes(svg, "path")) == 1
    assert any("10.00 %" in (text.text or "") for text in shapes(svg, "text"))


def test_names_are_escaped_and_long_ones_shortened() -> None:
    svg = bar_chart("<&>", [('<script>"x"&' + "y" * 40, [Bar(0.5, None, "")])])
    assert "<script>" not in svg
    label = shapes(svg, "text")[0]
    assert (label.find("title")).text.startswith('<script>"x"&')  # type: ignore[union-attr]
    assert "…" in "".join(label.itertext())


def test_rates_without_reference_and_no_rows_still_draw() -> None:
    svg = bar_chart("x", [("silence", [Bar(math.inf, Interval(0, math.inf, 2), "2 / 0")])])
    assert "no reference" in svg
    assert ElementTree.fromstring(bar_chart("x", [])) is not None


def test_reliability_has_a_bar_for_each_bin_and_rejection_a_point_for_each_share() -> None:
    assert len(shapes(reliability_diagram(CALIBRATION), "rect")) == len(CALIBRATION.bins) == 3
    curve = shapes(rejection_chart(CALIBRATION), "path")[-1].attrib["d"]
    assert curve.count("L") + 1 == len(CALIBRATION.rejection)


def test_a_faultless_system_has_a_flat_rejection_curve() -> None:
    svg = rejection_chart(measure(np.array([0.9, 0.8]), np.array([True, True])))
    assert ElementTree.fromstring(svg) is not None
    assert "nan" not in svg


def test_the_scatter_has_a_disc_for_each_pair_of_counts_and_far_ones_stand_at_the_edge() -> None:
    page = str(scatter_chart({(0, 0): 90, (1, 3): 10, (500, 2): 1}, ("a<b", "b")))
    assert page.count("<circle") == 3
    assert 'data-a="1" data-b="3"' in page
    assert 'data-a="40" data-b="2"' in page
    assert "a<b" not in page
    assert str(scatter_chart({}, ("a", "b"))).count("<circle") == 0
