"""A manifest by line number: the same utterances as read in order."""

import pytest

from asr.corpus.manifest import ManifestLines, load_manifest, write_manifest
from asr.corpus.utterance import Utterance
from asr.errors import CorpusError


def test_utterances_come_in_any_order(tmp_path):
    made = [
        Utterance(f"é{number}", f"{number}.wav", 0.0, 1.5, text="ÀÉ" * number, extra={"k": 1}) for number in range(9)
    ]
    write_manifest(tmp_path / "m.jsonl", made)
    lines = ManifestLines(tmp_path / "m.jsonl")
    loaded = load_manifest(tmp_path / "m.jsonl")
    assert len(lines) == 9
    assert [lines[number] for number in (8, 0, 3, 3)] == [loaded[number] for number in (8, 0, 3, 3)]
    lines.close()


def test_blank_lines_do_not_count_and_broken_ones_are_named_when_met(tmp_path):
    (tmp_path / "odd.jsonl").write_text('\n{"id": "a", "audio": "a.wav", "duration": 1}\n\n{"id": 7}\n')
    lines = ManifestLines(tmp_path / "odd.jsonl")
    assert len(lines) == 2
    assert lines[0].audio == str(tmp_path / "a.wav")
    with pytest.raises(CorpusError, match=r"odd\.jsonl, utterance 2: id is 7"):
        lines[1]
    (tmp_path / "latin.jsonl").write_bytes(b'{"id": "a\xe9", "audio": "a.wav", "duration": 1}\n')
    with pytest.raises(CorpusError, match="is not UTF-8 text"):
        ManifestLines(tmp_path / "latin.jsonl")[0]


def test_missing_and_empty_manifests_are_refused(tmp_path):
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(CorpusError, match="holds no utterances"):
        ManifestLines(tmp_path / "empty.jsonl")
    with pytest.raises(CorpusError, match="does not exist"):
        ManifestLines(tmp_path / "none.jsonl")
