"""The HTML report: its content here, its behaviour in a real browser in `test_report_browser.py`."""

import base64
import io
import json
import logging
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import soundfile

import asr
from asr.scoring.evaluate import Evaluation, Options, evaluate
from asr.scoring.report import html as report_html
from asr.scoring.report.html import cells, page_data, script_data, write_html


class Page(HTMLParser):
    """Collects tags with their attributes and the text of script elements by id."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self._script = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._script = dict(attrs).get("id") or "code" if tag == "script" else ""

    def handle_data(self, data: str) -> None:
        if self._script:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data


def page_of(evaluation: Evaluation, folder: Path, megabytes: float = 0.0) -> tuple[str, Page]:
    write_html(evaluation, folder / "report.html", megabytes)
    content = (folder / "report.html").read_text(encoding="utf-8")
    return content, Page(content)


def test_nothing_is_fetched_from_anywhere(evaluation: Evaluation, tmp_path: Path) -> None:
    content, page = page_of(evaluation, tmp_path, 5.0)
    addresses = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert addresses == ["data:,"]
    assert not re.search(r"https?://|//[a-z]+\.|@import|url\(", content.replace("</script>", ""))
    policy = next(
        attributes["content"] for tag, attributes in page.tags if "http-equiv" in attributes and tag == "meta"
    )
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_texts_cannot_break_out_of_the_page(evaluation: Evaluation, tmp_path: Path) -> None:
    """One reference is `<b>bold</b> & 'quoted' </script>`."""
    _, page = page_of(evaluation, tmp_path)
    assert sum(tag == "script" for tag, _ in page.tags) == 3
    assert not any(tag == "b" for tag, _ in page.tags)
    data = json.loads(page.scripts["data"])
    quoted = next(utterance for utterance in data["utterances"] if utterance["id"] == "bob-2")
    assert quoted["alignments"][0] == ["<b>bold</b> & 'quoted' </script>"]


def test_the_data_hold_every_utterance_with_fields_errors_and_alignments(evaluation: Evaluation) -> None:
    data = page_data(evaluation, [0, 2])
    assert data["systems"] == ["a.trn", "b.jsonl"]
    assert [utterance["id"] for utterance in data["utterances"]] == ["ann-1", "bob-1"]
    first, second = data["utterances"]
    assert first["fields"] == ["ann", "clean"]
    assert (first["words"], first["errors"]) == (3, [1, 0])
    assert first["alignments"] == [["the", ["sub", "cat", "hat"], "sat"], ["the cat sat"]]
    assert second["alignments"] == [[["ins", "", "uh"]], []]


def test_cells_of_characters_are_not_spaced() -> None:
    assert cells(asr.score(["ab c"], ["ax c"], unit="char"), 0) == ["a", ["sub", "b", "x"], " c"]


def test_summary_and_tests_are_on_the_page(evaluation: Evaluation, tmp_path: Path) -> None:
    content, page = page_of(evaluation, tmp_path)
    assert ">27.27<" in content
    assert "MAPSSWE" in content
    assert "best of 2: 0.00 %" in content
    assert "Expected calibration error" in content
    pairs = [attributes for tag, attributes in page.tags if tag == "button" and attributes.get("data-kind") == "sub"]
    assert {"cat", "a"} <= {attributes["data-ref"] for attributes in pairs}
    assert sum(tag == "svg" for tag, _ in page.tags) == 1 + 3 + 2


def test_audio_of_the_worst_utterances_is_embedded_as_far_as_there_is_room(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    _, page = page_of(evaluation, tmp_path, 5.0)
    audio = json.loads(page.scripts["audio"])
    assert set(audio) == set(evaluation.systems[0].score.ids)
    kind, _, encoded = audio["ann-1"].partition("base64,")
    assert kind == "data:audio/flac;"
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(encoded)))
    assert (len(samples), rate) == (8000, 16_000)
    some = json.loads(page_of(evaluation, tmp_path, 2.5 * len(encoded) / 1e6)[1].scripts["audio"])
    assert "bob-2" in some
    assert 0 < len(some) < 5


def test_missing_audio_costs_a_player_and_not_the_report(
    evaluation: Evaluation, files: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (files / "ann-1.wav").unlink()
    with caplog.at_level(logging.WARNING, logger="asr"):
        _, page = page_of(evaluation, tmp_path, 5.0)
    assert len(json.loads(page.scripts["audio"])) == 4
    assert "no player for ann-1" in caplog.text


def test_of_too_many_utterances_those_with_most_errors_are_shown(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_html, "MOST_UTTERANCES", 2)
    content, page = page_of(evaluation, tmp_path)
    shown = [utterance["id"] for utterance in json.loads(page.scripts["data"])["utterances"]]
    assert shown == ["ann-2", "bob-2"]
    assert "The 2 of 5 utterances with most errors" in content


def test_of_many_groups_those_with_most_errors_are_drawn(tmp_path: Path) -> None:
    refs = "".join(f"a b (s{n:02d}-1)\n" for n in range(50))
    (tmp_path / "ref.trn").write_text(refs)
    (tmp_path / "hyp.trn").write_text(refs.replace("a b (s49", "x y (s49"))
    options = Options(speaker_from_id=True, resamples=100)
    content, _ = page_of(evaluate(tmp_path / "ref.trn", [tmp_path / "hyp.trn"], options), tmp_path)
    assert "The 40 of 50 with most errors" in content
    assert ">s49</text>" in content.replace("<title>s49</title>", "")


def test_script_data_survives_what_ends_scripts_and_lines() -> None:
    text = "</script><!-- \u2028 \u2029 & '\""
    embedded = str(script_data({"x": text}))
    assert "<" not in embedded
    assert "\u2028" not in embedded
    assert json.loads(embedded) == {"x": text}


def test_two_systems_are_scattered_and_one_is_not(evaluation: Evaluation, tmp_path: Path) -> None:
    assert page_of(evaluation, tmp_path)[0].count("<circle") == 4
    alone = replace(evaluation, systems=evaluation.systems[:1], comparisons=[])
    assert "<circle" not in page_of(alone, tmp_path)[0]


def test_words_with_times_can_be_played(evaluation: Evaluation) -> None:
    """System b has words at whole seconds; an utterance of half a second takes them for times of the recording."""
    data = page_data(evaluation, [0, 2], {"ann-1": "data:"})
    assert data["times"] == {"ann-1": [[], [0, 1, 2]]}
    assert page_data(evaluation, [0, 2])["times"] == {}


def test_right_to_left_texts_find_their_direction() -> None:
    script = (Path(report_html.__file__).with_name("templates") / "report.js").read_text()
    assert 'element.dir = "auto"' in script
