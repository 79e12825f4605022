"""Damaged files: whatever is wrong, the reader reads or refuses with an error that a user can act on."""

import random
from pathlib import Path

import pytest

from asr.errors import AsrError
from asr.scoring.evaluate import Options, evaluate
from asr.scoring.reading.readers import read_transcripts

WHOLE = {
    "trn": "go home (u1)\n(u2)\na (u3)\n",
    "kaldi": "u1 go home\nu2\nu3 a\n",
    "plain": "go home\n\na\n",
    "jsonl": '{"id": "u1", "text": "go", "words": [{"word": "go", "start": 0, "end": 1, "confidence": 0.5}]}\n'
    '{"id": "u2", "text": "", "nbest": ["", {"text": "x"}], "speaker": "ann"}\n',
    "csv": 'id,text,speaker\nu1,"go, home",ann\nu2,,bob\n',
    "ctm": "f 1 0.1 0.2 go 0.9\nf 1 0.5 0.2 home NA\n",
    "stm": "f 1 ann 0 1 <o> go { home / @ } (uh)\nf 1 bob 1 2 IGNORE_TIME_SEGMENT_IN_SCORING\n",
}
SPLINTERS = [sign.encode() for sign in '(){}/"\\,\n\r\t \0[é\u2028']
SPLINTERS += [b"\xff", b"nan", b"-1", b"\\ud800", b"null", b"<ALT_BEGIN>"]


def damaged(content: bytes, draw: random.Random) -> bytes:
    """A few cuts, copies and splinters."""
    for _ in range(draw.randint(1, 4)):
        at, end = sorted(draw.randint(0, len(content)) for _ in range(2))
        content = draw.choice(
            [
                content[:at] + content[end:],
                content[:at] + draw.choice(SPLINTERS) + content[at:],
                content[:end] + content[at:end] + content[end:],
                content[:at],
            ]
        )
    return content


@pytest.mark.parametrize("fmt", WHOLE)
def test_four_hundred_damaged_files_of_each_format(fmt: str, tmp_path: Path) -> None:
    draw = random.Random(fmt)
    path = tmp_path / "x"
    read = refused = 0
    for _ in range(400):
        path.write_bytes(damaged(WHOLE[fmt].encode(), draw))
        try:
            for side in ("ref", "hyp"):
                read_transcripts(path, side, fmt)  # type: ignore[arg-type]
            read += 1
        except AsrError as error:
            assert error.reason
            assert error.remedy
            refused += 1
    assert read
    assert refused or fmt == "kaldi"


@pytest.mark.parametrize("fmt", [name for name in WHOLE if name != "ctm"])
def test_what_can_be_read_can_be_scored_against_itself(fmt: str, tmp_path: Path) -> None:
    """With markup read, a reference against itself is not always without errors, but it always has a score."""
    draw = random.Random(fmt + "score")
    path = tmp_path / "x"
    for _ in range(60):
        path.write_bytes(damaged(WHOLE[fmt].encode(), draw))
        try:
            options = Options(ref_format=fmt, hyp_format=fmt, resamples=100)
            system = evaluate(path, [path], options).systems[0]
        except AsrError:
            continue
        assert system.score.totals.errors == 0 or fmt == "stm"
