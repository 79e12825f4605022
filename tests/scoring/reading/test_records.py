"""JSONL and CSV records: which field is the id, which the text, and what else they carry."""

import math

import pytest

from asr.errors import ScoringError, TableError
from asr.scoring.reading.records import csv_records, json_records, read_records
from asr.scoring.reading.transcripts import Side, Transcripts


def read(lines: str, side: Side) -> tuple[dict[str, str], Transcripts]:
    transcripts = Transcripts("x.jsonl")
    return dict(read_records(transcripts, json_records("x.jsonl", lines), side)), transcripts


def test_nemo_lines_hold_both_sides() -> None:
    line = '{"audio_filepath": "a.wav", "duration": 1.5, "text": "go home", "pred_text": "go"}'
    assert read(line, "ref")[0] == {"a.wav": "go home"}
    assert read(line, "hyp")[0] == {"a.wav": "go"}


def test_nemo_spans_of_one_recording_are_told_apart_by_their_offset() -> None:
    lines = (
        '{"audio_filepath": "a.wav", "offset": 0, "text": "x"}\n{"audio_filepath": "a.wav", "offset": 1.5, "text": "y"}'
    )
    assert read(lines, "ref")[0] == {"a.wav-0": "x", "a.wav-1.5": "y"}


def test_other_fields_are_kept_for_breakdowns() -> None:
    _, transcripts = read('{"id": "u1", "text": "x", "speaker": "ann", "snr": 5, "tags": ["a"]}', "ref")
    assert transcripts.fields["speaker"] == {"u1": "ann"}
    assert transcripts.fields["snr"] == {"u1": 5}
    assert "tags" not in transcripts.fields


def test_nbest_lists_of_texts_and_of_objects() -> None:
    texts, transcripts = read('{"id": "u1", "nbest": ["go", "no"]}\n{"id": "u2", "nbest": [{"text": "a b"}]}', "hyp")
    assert texts == {"u1": "go", "u2": "a b"}
    assert transcripts.nbest == {"u1": ["go", "no"], "u2": ["a b"]}


def test_words_with_times_and_confidence_of_any_usual_name() -> None:
    line = (
        '{"id": "u1", "words": [{"word": " go", "start": 0.1, "end": 0.3, "probability": 0.9}, {"text": "home", '
        '"start": 0.3, "end": 0.5, "confidence": 0.5}, {"word": "now", "start": 1, "end": 2}]}'
    )
    texts, transcripts = read(line, "hyp")
    words = transcripts.words["u1"]
    assert texts == {"u1": "go home now"}
    assert [(word.start, word.end) for word in words] == [(0.1, 0.3), (0.3, 0.5), (1, 2)]
    assert [word.confidence for word in words[:2]] == [0.9, 0.5]
    assert math.isnan(words[2].confidence)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"id": "u1", "text": "\\ud83d"}', "surrogate"),
        ('{"text": "x"}', "no utterance id"),
        ('{"id": "", "text": "x"}', "no utterance id"),
        ('{"id": "u1"}', "no text for the ref side"),
        ('{"id": "u1", "text": null}', "text that is null"),
        ('{"id": "u1", "sentence": "x"}', "no text for the ref side"),
        ('{"id": ["u1"], "text": "x"}', "no utterance id"),
    ],
)
def test_broken_lines_are_named(line: str, reason: str) -> None:
    with pytest.raises(ScoringError, match=f"x.jsonl line 2.*{reason}"):
        read('{"id": "u0", "text": "x"}\n' + line, "ref")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"id": "u1", "text": "x", "words": [{"start": 1}]}', "word that cannot be read"),
        ('{"id": "u1", "text": "x", "words": [{"word": "x", "start": "soon"}]}', "word that cannot be read"),
        ('{"id": "u1", "text": 5}', "text '5', which is no text"),
        ('{"id": "u1", "text": "x", "nbest": [null]}', "reading without text"),
    ],
)
def test_broken_hypotheses_are_named(line: str, reason: str) -> None:
    with pytest.raises(ScoringError, match=f"x.jsonl line 2.*{reason}"):
        read('{"id": "u0", "text": "x"}\n' + line, "hyp")


@pytest.mark.parametrize(
    "failed",
    [
        '{"id": "u1", "text": "right", "pred_text": null}',
        '{"id": "u1", "text": "right"}',
        '{"id": "u1", "text": "right", "pred_text": null, "nbest": ["right"], "words": [{"word": "right"}]}',
    ],
)
def test_an_utterance_that_failed_never_takes_the_reference_for_its_hypothesis(failed: str) -> None:
    good = '{"id": "u0", "text": "go", "pred_text": "no"}\n'
    assert read(good + failed, "hyp")[0] == {"u0": "no"}
    assert read(failed + "\n" + good, "hyp")[0] == {"u0": "no"}
    assert read(good + failed, "ref")[0] == {"u0": "go", "u1": "right"}


def test_a_hypothesis_file_without_hypothesis_fields_takes_its_text() -> None:
    assert read('{"id": "u0", "text": "go"}\n{"id": "u1", "text": null}\n{"id": "u2"}', "hyp")[0] == {"u0": "go"}
    assert read('{"id": "u0", "pred_text": ""}', "hyp")[0] == {"u0": ""}
    with pytest.raises(ScoringError, match="no text for the hyp side"):
        read('{"id": "u0", "snr": 1}', "hyp")


@pytest.mark.parametrize(
    "line",
    [
        '{"id": "a", "transcription": "x y"}',
        '{"path": "a", "sentence": "x y"}',
        '{"file_name": "a", "transcript": "x y"}',
        '{"audio": {"path": "a", "array": [0.1]}, "text": "x y"}',
        '[{"id": "a", "text": "x y"}]',
        '[\n {"id": "a", "reference": "x y"}\n]',
    ],
)
def test_the_field_names_of_public_corpora(line: str) -> None:
    assert read(line, "ref")[0] == {"a": "x y"}


def test_ids_and_offsets_that_are_numbers() -> None:
    lines = '{"id": 1, "text": "x"}\n{"id": 2.0, "text": "y"}\n{"audio_filepath": "a.wav", "offset": %s, "text": "z"}'
    assert list(read(lines % "1.50", "ref")[0]) == ["1", "2", "a.wav-1.5"]
    assert list(read(lines % "0.0", "ref")[0]) == list(read(lines % "0", "ref")[0])


def test_csv_columns_in_any_case() -> None:
    transcripts = Transcripts("x.csv")
    rows = read_records(transcripts, csv_records("x.csv", "ID,Text,Place\nu1,go,here\n"), "ref")
    assert dict(rows) == {"u1": "go"}
    assert transcripts.fields["Place"] == {"u1": "here"}


def test_csv_rows_that_do_not_fit_their_header_are_named() -> None:
    with pytest.raises(TableError, match=r"x\.csv:3: line 3 has 3 fields where the header has 2"):
        list(csv_records("x.csv", "id,text\nu1,a\nu2,b,c\n"))


def test_a_quoted_text_may_hold_a_line_break() -> None:
    rows = list(csv_records("x.csv", 'id,text\nu1,"go\nhome"\n'))
    assert [row["text"] for _, row in rows] == ["go\nhome"]
