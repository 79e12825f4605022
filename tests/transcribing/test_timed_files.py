"""Names of recordings and lines of CTM and STM."""

import pytest

from asr.corpus.utterance import Utterance
from asr.decoding.results.hypothesis import Word
from asr.scoring.reading.timed import parse_ctm, parse_stm
from asr.transcribing.timed_files import ctm_lines, recording_names, stm_line


def utterance(audio: str, text: str = "a", speaker: str = "ann") -> Utterance:
    return Utterance("u1", audio, 1.0, 2.0, text=text, speaker=speaker)


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/d/a.wav", "/d/b.wav"], ["a", "b"]),
        (["/d/take (1).wav"], ["take-(1)"]),
        (["/x/1.wav", "/y/1.wav", "/y/2.wav"], ["x/1", "y/1", "2"]),
        (["/x/s/1.wav", "/y/s/1.wav"], ["x/s/1", "y/s/1"]),
        (["/d/1.wav", "/d/1.flac"], ["/d/1.wav", "/d/1.flac"]),
    ],
)
def test_names_tell_recordings_apart_and_hold_no_blank(paths: list[str], names: list[str]) -> None:
    assert list(recording_names(map(utterance, paths)).values()) == names


def test_lines_read_back_with_times_in_the_recording() -> None:
    item = utterance("/d/take (1).wav", "<unk> a", "Ann Lee")
    (segment,) = parse_stm("x", stm_line(item, "take-(1)"))
    assert (segment.file, segment.speaker, segment.start, segment.end) == ("take-(1)", "Ann_Lee", 1.0, 3.0)
    assert segment.text == "<unk> a"
    words = parse_ctm("x", "".join(ctm_lines(item, [Word("a", 0.25, 0.5, 0.9)])))
    assert [word.start for word in words["take-(1)", "1"]] == [1.25]
    assert parse_stm("x", stm_line(utterance("a.wav", "", ""), "a"))[0].speaker == "unknown"
