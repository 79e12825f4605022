"""CTM and STM come back through the scorer's readers; a TextGrid has no gap and no overlap."""

import re

from hypothesis import given
from hypothesis import strategies as st

from asr.decoding.results.hypothesis import Word
from asr.scoring.reading.timed import parse_ctm, parse_stm
from asr.transcribing.transcript import Cutting, Transcript, cut_at_pauses, merged
from asr.transcribing.writers.formats import render
from asr.transcribing.writers.timed import textgrid

LETTERS = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=8)
WORDS = st.lists(st.tuples(LETTERS, st.floats(0, 3), st.floats(0, 2), st.floats(0, 1)), max_size=15)


def said(spans, cutting=None):
    words, now = [], 0.0
    for text, pause, length, confidence in spans:
        start = round(now + pause, 3)
        words.append(Word(text, start, round(start + length, 3), round(confidence, 4)))
        now = words[-1].end
    text = " ".join(word.text for word in words)
    return Transcript(text, round(now + 0.5, 3), cut_at_pauses(words, cutting)), words


@given(WORDS)
def test_a_ctm_reads_back(spans):
    transcript, words = said([span for span in spans if not span[0].upper().startswith("<ALT")])
    tracks = parse_ctm("a.ctm", render(transcript, "ctm", "my file"))
    back = tracks.get(("my-file", "1"), [])
    assert [(w.text, w.start, w.confidence) for w in back] == [(w.text, w.start, w.confidence) for w in words]
    assert all(abs(mine.end - word.end) < 1e-9 for mine, word in zip(back, words, strict=True))


@given(WORDS)
def test_an_stm_reads_back(spans):
    transcript, _ = said(spans)
    segments = parse_stm("a.stm", render(transcript, "stm", "my file"))
    assert [(s.text, s.start, s.end) for s in segments] == [(s.text, s.start, s.end) for s in transcript.segments]


def test_channels_are_counted_from_1_in_nist_files():
    one, _ = said([("a", 0, 1, 1)])
    both = merged({"channel 0": one, "channel 1": one})
    assert [line.split()[:2] for line in render(both, "ctm", "call").splitlines()] == [["call", "1"], ["call", "2"]]
    assert render(both, "stm", "call").splitlines()[1] == "call 2 channel_1 0.000 1.000 a"


def intervals(text):
    """(tier, start, end, text) of a TextGrid in Praat's long form."""
    found, tier = [], None
    entry = re.compile(r'xmin = (\S+)\n\s+xmax = (\S+)\n\s+text = "((?:[^"]|"")*)"')
    for part in text.split('class = "IntervalTier"')[1:]:
        tier = re.search(r'name = "((?:[^"]|"")*)"', part)[1]
        declared = int(re.search(r"intervals: size = (\d+)", part)[1])
        own = [(tier, float(a), float(b), t.replace('""', '"')) for a, b, t in entry.findall(part)]
        assert len(own) == declared
        found += own
    return found


def test_a_textgrid_of_two_words():
    transcript, _ = said([("say", 0.5, 0.25, 1), ('"hi"', 0.0, 0.5, 1)])
    content = render(transcript, "textgrid")
    assert content.startswith('File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 1.750\n')
    assert intervals(content) == [
        ("segments", 0, 0.5, ""), ("segments", 0.5, 1.25, 'say "hi"'), ("segments", 1.25, 1.75, ""),
        ("words", 0, 0.5, ""), ("words", 0.5, 0.75, "say"), ("words", 0.75, 1.25, '"hi"'), ("words", 1.25, 1.75, ""),
    ]  # fmt: skip


@given(WORDS, st.floats(0.1, 9))
def test_each_tier_covers_the_recording_without_gap_or_overlap(spans, longest):
    transcript, _ = said(spans, Cutting(0.4, longest))
    found = intervals(render(transcript, "textgrid"))
    for tier in ("segments", "words"):
        own = [(start, end) for name, start, end, _ in found if name == tier]
        assert own[0][0] == 0
        assert own[-1][1] == transcript.duration
        assert all(start < end for start, end in own)
        assert [end for _, end in own[:-1]] == [start for start, _ in own[1:]]
    lasting = [s.text for s in transcript.segments if s.end > s.start]
    shown = iter(text for name, _, _, text in found if name == "segments" and text)
    assert all(text in shown for text in lasting)  # in this order


def test_a_word_without_length_is_given_a_millisecond_of_the_silence_behind_it():
    grid = "".join(textgrid([("words", [(0.5, 0.5, "oh"), (0.501, 0.7, "no")])], 1.0))
    assert [entry[1:] for entry in intervals(grid)][1:3] == [(0.5, 0.501, "oh"), (0.501, 0.7, "no")]
