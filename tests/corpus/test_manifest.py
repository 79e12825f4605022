"""Manifests on disk: what is written is read back, and a broken line is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.corpus.manifest import Manifest, ManifestLines, load_distinct, load_manifest, read_manifest, write_manifest
from asr.corpus.utterance import Utterance
from asr.errors import CorpusError

GOOD_LINE = '{"id": "a", "audio": "a.wav", "start": 0, "duration": 1.5, "text": "HELLO"}'


def utterance(tmp_path: Path, **fields) -> Utterance:
    defaults = {"id": "a", "audio": str(tmp_path / "a.wav"), "start": 0.0, "duration": 1.5}
    return Utterance(**(defaults | fields))


def test_what_is_written_is_read_back(tmp_path):
    utterances = [
        utterance(
            tmp_path, id="a", text="ΓΕΙΑ \u2028 ΣΟΥ", speaker="s", channel=1, extra={"synthetic": True, "snr": 3.5}
        ),
        utterance(tmp_path, id="b", audio="/elsewhere/b.flac", start=0.25),
    ]
    assert write_manifest(tmp_path / "m.jsonl", utterances) == 2
    assert list(read_manifest(tmp_path / "m.jsonl")) == utterances


@given(text=st.text(), speaker=st.text(), start=st.floats(0, 1e5), channel=st.none() | st.integers(0, 9))
def test_any_text_and_speaker_survive(tmp_path_factory, text, speaker, start, channel):
    folder = tmp_path_factory.mktemp("m")
    written = utterance(folder, text=text, speaker=speaker, start=round(start, 6), channel=channel)
    write_manifest(folder / "m.jsonl", [written])
    assert load_manifest(folder / "m.jsonl") == [written]


def test_defaults_are_left_out_of_the_line(tmp_path):
    write_manifest(tmp_path / "m.jsonl", [utterance(tmp_path)])
    line = json.loads((tmp_path / "m.jsonl").read_text())
    assert line == {"id": "a", "audio": "a.wav", "start": 0.0, "duration": 1.5, "text": ""}


def test_a_folder_with_its_audio_can_be_moved(tmp_path):
    before = tmp_path / "before"
    write_manifest(before / "m.jsonl", [utterance(before, audio=str(before / "audio" / "a.wav"))])
    shutil.move(before, tmp_path / "after")
    assert load_manifest(tmp_path / "after" / "m.jsonl")[0].audio == str(tmp_path / "after" / "audio" / "a.wav")


def test_reading_streams(tmp_path):
    """The first utterance comes before the broken third line is looked at."""
    (tmp_path / "m.jsonl").write_text(f"{GOOD_LINE}\n\nnot json\n")
    stream = read_manifest(tmp_path / "m.jsonl")
    assert next(stream).text == "HELLO"
    with pytest.raises(CorpusError, match=r"m\.jsonl:3: is not JSON"):
        next(stream)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[]", "is not a JSON object"),
        ("{", "is not JSON"),
        ('{"audio": "a", "duration": 1}', "id is None"),
        ('{"id": "a b", "audio": "a", "duration": 1}', "id is 'a b'"),
        ('{"id": "", "audio": "a", "duration": 1}', "id is ''"),
        ('{"id": "a", "duration": 1}', "has no audio"),
        ('{"id": "a", "audio": 3, "duration": 1}', "audio is 3"),
        ('{"id": "a", "audio": "a"}', "has no duration"),
        ('{"id": "a", "audio": "a", "duration": "1"}', "duration is '1'"),
        ('{"id": "a", "audio": "a", "duration": NaN}', "duration is nan"),
        ('{"id": "a", "audio": "a", "duration": true}', "duration is True"),
        ('{"id": "a", "audio": "a", "duration": 1, "channel": "left"}', "channel is 'left'"),
        ('{"id": "a", "audio": "a", "duration": 1, "text": ["A"]}', "text is"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, line, reason):
    (tmp_path / "m.jsonl").write_text(f"{GOOD_LINE}\n{line}\n")
    with pytest.raises(CorpusError) as caught:
        load_manifest(tmp_path / "m.jsonl")
    assert str(caught.value).startswith(f"{tmp_path / 'm.jsonl'}:2: ")
    assert reason in caught.value.reason


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_manifest_is_an_error_for_consumers(tmp_path, content):
    (tmp_path / "m.jsonl").write_bytes(content)
    assert list(read_manifest(tmp_path / "m.jsonl")) == []
    with pytest.raises(CorpusError, match="holds no utterances; make it again"):
        load_manifest(tmp_path / "m.jsonl")


def test_a_missing_or_binary_file_is_one_clear_line(tmp_path):
    (tmp_path / "m.jsonl").write_bytes(b"\xff\xfe\x00")
    for path, reason in [(tmp_path / "none.jsonl", "does not exist"), (tmp_path / "m.jsonl", "not UTF-8")]:
        with pytest.raises(CorpusError, match=reason):
            load_manifest(path)


def test_a_failed_write_leaves_the_old_manifest(tmp_path):
    path = tmp_path / "m.jsonl"
    write_manifest(path, [utterance(tmp_path)])
    bad = utterance(tmp_path, id="b", extra={"text": "twice"})
    with pytest.raises(CorpusError, match=r"extra fields \['text'\]"):
        write_manifest(path, [utterance(tmp_path, id="c"), bad])
    assert [u.id for u in load_manifest(path)] == ["a"]
    assert [p.name for p in tmp_path.iterdir()] == ["m.jsonl"]


def test_a_manifest_can_be_gone_through_again_and_leaves_out_whom_it_is_told(tmp_path):
    write_manifest(tmp_path / "m.jsonl", [Utterance(name, "a.wav", 0.0, 1.0) for name in "abc"])
    manifest = Manifest(tmp_path / "m.jsonl", leave_out={"b"})
    assert [[each.id for each in manifest] for _ in range(2)] == [["a", "c"]] * 2
    write_manifest(tmp_path / "m.jsonl", [Utterance("d", "a.wav", 0.0, 1.0)])
    assert [each.id for each in manifest] == ["d"]


def test_leaving_out_everyone_is_no_error_but_an_empty_file_is(tmp_path):
    write_manifest(tmp_path / "m.jsonl", [Utterance("a", "a.wav", 0.0, 1.0)])
    assert list(Manifest(tmp_path / "m.jsonl", leave_out=["a"])) == []
    (tmp_path / "m.jsonl").write_text("\n")
    with pytest.raises(CorpusError, match="holds no utterances"):
        list(Manifest(tmp_path / "m.jsonl"))


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path):
    (tmp_path / "m.jsonl").write_text(f"\ufeff{GOOD_LINE}\r\n{GOOD_LINE.replace('a', 'b', 1)}\r\n", encoding="utf-8")
    assert load_manifest(tmp_path / "m.jsonl")[0].id == "a"
    assert ManifestLines(tmp_path / "m.jsonl")[0].id == "a"


def test_doubled_ids_are_refused_where_each_must_be_its_own(tmp_path):
    write_manifest(tmp_path / "m.jsonl", [utterance(tmp_path, id=name) for name in "abcab"])
    with pytest.raises(CorpusError, match="the id a stands 2 times and 1 more do"):
        load_distinct(tmp_path / "m.jsonl")
    write_manifest(tmp_path / "m.jsonl", [utterance(tmp_path, id=name) for name in "abc"])
    assert [each.id for each in load_distinct(tmp_path / "m.jsonl")] == ["a", "b", "c"]
