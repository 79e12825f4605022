"""CSV and TSV read back, whatever is in the words."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from asr.decoding.results.hypothesis import Word
from asr.transcribing.transcript import Segment, Transcript
from asr.transcribing.writers.formats import render

LETTERS = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=8)


@given(st.lists(st.lists(LETTERS, min_size=1, max_size=4), max_size=4), st.text("ab ,\"'", min_size=1, max_size=6))
def test_csv_reads_back(texts, name):
    segments = [
        Segment(n, n, n + 0.5, " ".join(words), [Word(word, n, n + 0.5, 0.25) for word in words])
        for n, words in enumerate(texts)
    ]
    content = render(Transcript("", 9.0, segments), "csv", name)
    rows = list(csv.DictReader(io.StringIO(content, newline="")))
    assert [(row["text"], row["audio"], float(row["start"])) for row in rows] == [
        (s.text, name, s.start) for s in segments
    ]
    assert {row["confidence"] for row in rows} <= {"0.2500"}
    assert len({row["id"] for row in rows}) == len(segments)


def test_speakers_stand_in_their_column():
    content = render(Transcript("", 9.0, [Segment(0, 0, 1, "a", [], "channel 1")]), "csv", "call")
    assert content.splitlines()[1] == "call-00000,call,0.000,1.000,channel 1,,a"
    assert render(Transcript("", 9.0, [Segment(0, 0, 1, "a\tb")]), "tsv") == "start\tend\ttext\n0\t1000\ta b\n"
