"""Tables of spreadsheets, Common Voice and pandas: read whole, or refused with the line."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.errors import TableError
from asr.tables import AUDIO_NAMES, TEXT_NAMES, column, field, read_table


def texts(content: str) -> list[list[str]]:
    return [list(row.fields.values()) for row in read_table("t.csv", content)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("id,text\na,x y\n", [["a", "x y"]]),
        ("id;text\na;one, two\n", [["a", "one, two"]]),
        ("id\ttext\na\tone, two; three\n", [["a", "one, two; three"]]),
        ('id,text\na,"one, two"\n', [["a", "one, two"]]),
        ('id,text\na,"say ""hi"""\n', [["a", 'say "hi"']]),
        ('id,text\na,a 5" pipe\n', [["a", 'a 5" pipe']]),
        ("\ufeffid,text\r\na,x\r\n", [["a", "x"]]),
        ("id,text\ra,x\rb,y\r", [["a", "x"], ["b", "y"]]),
        ("sep=;\r\nid;text\r\na;x\r\n", [["a", "x"]]),
        ('"sep=|"\nid|text\na|x, y\n', [["a", "x, y"]]),
        ("id,text\na,x\n,,\n\n,\n", [["a", "x"]]),
        ("id,text,,\na,x,,\n", [["a", "x"]]),
        ('id,text\na,"two\nlines"\n', [["a", "two\nlines"]]),
        ('"id, or name",text\na,x\n', [["a", "x"]]),
        ("text\nx\n", [["x"]]),
    ],
)
def test_what_spreadsheets_write(content: str, expected: list[list[str]]) -> None:
    assert texts(content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('id\ttext\na\t"Hello," she said\nb\tbye\n', [["a", '"Hello," she said'], ["b", "bye"]]),
        ('id\ttext\na\t"unmatched\nb\tbye\nc\tend"\n', [["a", '"unmatched'], ["b", "bye"], ["c", 'end"']]),
        ('id\ttext\na\t"all of it"\n', [["a", "all of it"]]),
        ('id\ttext\na\t"say ""hi"""\n', [["a", 'say "hi"']]),
        ('id\ttext\na\t"one\ttwo"\nb\tx\n', [["a", "one\ttwo"], ["b", "x"]]),
        ('id\ttext\na\t""\n', [["a", ""]]),
    ],
)
def test_quotes_in_tables_with_tabs(content: str, expected: list[list[str]]) -> None:
    """Common Voice writes quotes as they are, pandas encloses fields in them: neither swallows a row."""
    assert texts(content) == expected


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("id,text\na,x\nb,one, two\n", r"t\.csv:3: line 3 has 3 fields where the header has 2.*quote texts"),
        ("id,text,speaker\na,x\n", r"t\.csv:2: line 2 has 2 fields where the header has 3"),
        ("audio\ttext\na.wav\n", r"t\.csv:2: .*separated by tabs"),
        ('id,text\na,"x\nb,y\nc,z\n', r"t\.csv:2: line 2 has a quote that is not closed"),
        ('id,text\na,"x" y\n', r"t\.csv:2: .*inside a field"),
        ('id,text\na,"x\nb,y\nc,z\nd,w"\n', r"t\.csv:2: line 2 opens a quote .* up to 5"),
        ('id;text\na;"x\nb;y\nc;z"\n', r"t\.csv:2: line 2 opens a quote"),
        ('id,text\na,"x\nb,y"\n', r"t\.csv:2: line 2 opens a quote"),
        ('id\ttext\na\t"x\nb\ty\textra\n', r"t\.csv:2: "),
        ("id,id\na,b\n", "names the column 'id' twice"),
        ("\n\n", "is an empty table"),
        ("", "is an empty table"),
    ],
)
def test_what_would_be_lost_in_silence_is_refused_with_its_line(content: str, reason: str) -> None:
    with pytest.raises(TableError, match=reason):
        texts(content)


def test_a_transcript_of_hours_in_one_field() -> None:
    long = " ".join(f"word{n}" for n in range(40_000))
    assert texts(f"id,text\na,{long}\n") == [["a", long]]
    assert texts(f'id,text\na,"{long}"\nb,x\n') == [["a", long], ["b", "x"]]


def test_rows_say_where_they_begin() -> None:
    rows = list(read_table("t.csv", 'id,text\na,"x\ny"\n\nb,z\n'))
    assert [row.line for row in rows] == [2, 5]


@pytest.mark.parametrize("header", ["Text", "sentence", " transcription ", "TRANSCRIPT", "text"])
def test_columns_are_found_by_their_usual_names(header: str) -> None:
    row = next(read_table("t.csv", f"path,{header}\na.wav,x\n"))
    assert field(row.fields, TEXT_NAMES) == "x"
    assert column(row.fields, AUDIO_NAMES) == "path"
    assert field(row.fields, ("nothing",)) == ""


@given(st.lists(st.lists(st.text(st.characters(exclude_characters="\r\n\0", codec="utf-8")), min_size=2, max_size=2)))
def test_what_python_s_csv_writes_reads_back(rows: list[list[str]]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([["id", "text"], *rows])
    assert texts(out.getvalue()) == [row for row in rows if any(field.strip() for field in row)]
