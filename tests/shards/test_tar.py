"""One tar shard: readable by tarfile, webdataset and ourselves; cut and damaged ones are named with their place."""

import io
import itertools
import json
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.errors import CorpusError
from asr.shards.tar import BLOCK, LONGEST_KEY, ShardWriter, pack, scan, shard_key, unpack

SAMPLES = {
    "utt-1": {"json": b'{"id": "utt-1"}', "npy": b"x" * 700},
    "utt-2": {"json": b'{"id": "utt-2"}', "sp0.9.npy": b"", "npy": b"y" * 512},
    "utt-3": {"json": b'{"id": "utt-3"}', "flac": b"z"},
}


@pytest.fixture
def shard():
    stream = io.BytesIO()
    writer = ShardWriter(stream)
    spans = [writer.append(key, files) for key, files in SAMPLES.items()]
    writer.close()
    return stream.getvalue(), spans


@given(st.text(min_size=1, max_size=120))
def test_keys_are_safe_names_without_dots(id):
    key = shard_key(id)
    assert key.isascii()
    assert not set(key) & set("./\\ \0")
    assert len(key) <= LONGEST_KEY
    assert len(pack(key + ".sp1.15.npy", b"")) == BLOCK


@given(st.lists(st.text(alphabet="ab./%_é", min_size=1, max_size=40), min_size=2, max_size=20, unique=True))
def test_different_ids_get_different_keys(ids):
    assert len({shard_key(id) for id in ids}) == len(ids)


def test_ordinary_ids_stay_readable_and_long_ones_end_in_a_hash():
    assert shard_key("an4-fash_012") == "an4-fash_012"
    assert shard_key("book.1/é") == "book%2E1%2F%C3%A9"
    first, second = shard_key("a" * 200), shard_key("a" * 201)
    assert first != second
    assert first.startswith("aaa")


def test_tarfile_reads_what_we_write(shard):
    data, _ = shard
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        read = {member.name: tar.extractfile(member).read() for member in tar}
    assert read == {f"{key}.{suffix}": data for key, files in SAMPLES.items() for suffix, data in files.items()}


def test_scanning_finds_the_spans_that_were_written(shard):
    data, spans = shard
    assert list(scan(io.BytesIO(data), "x.tar")) == spans
    for span in spans:
        assert unpack(data[span.offset : span.offset + span.size], "x") == SAMPLES[span.key]


def test_scanning_reads_what_tarfile_writes_with_folders_times_and_pax_headers():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for key, files in SAMPLES.items():
            for suffix, content in files.items():
                member = tarfile.TarInfo(f"./train/{key}.{suffix}")
                member.size, member.mtime = len(content), 1.5  # a fraction of a second needs a PAX header
                tar.addfile(member, io.BytesIO(content))
    data = stream.getvalue()
    assert b"PaxHeader" in data
    spans = list(scan(io.BytesIO(data), "x.tar"))
    assert {span.key: span.files for span in spans} == {f"./train/{key}": files for key, files in SAMPLES.items()}
    for span in spans:
        assert unpack(data[span.offset : span.offset + span.size], "x") == span.files
    assert spans[0].offset == 0
    assert all(left.offset + left.size == right.offset for left, right in itertools.pairwise(spans))


def test_webdataset_reads_our_shards(tmp_path, shard):
    webdataset = pytest.importorskip("webdataset")
    (tmp_path / "a.tar").write_bytes(shard[0])
    samples = list(webdataset.WebDataset(str(tmp_path / "a.tar"), shardshuffle=False))
    read = [{name: content for name, content in sample.items() if not name.startswith("__")} for sample in samples]
    assert [sample["__key__"] for sample in samples] == list(SAMPLES)
    assert read == list(SAMPLES.values())


def test_we_read_webdatasets_shards(tmp_path):
    webdataset = pytest.importorskip("webdataset")
    with webdataset.TarWriter(str(tmp_path / "a.tar")) as writer:
        for key in ("utt-1", "utt-2"):
            writer.write({"__key__": key, "json": {"id": key, "text": "GO"}, "flac": b"fLaC"})
    with (tmp_path / "a.tar").open("rb") as stream:
        spans = list(scan(stream, "a.tar"))
    assert [json.loads(span.files["json"])["id"] for span in spans] == ["utt-1", "utt-2"]
    assert all(span.files["flac"] == b"fLaC" for span in spans)


def test_equal_samples_make_equal_bytes_and_the_checksum_is_that_of_the_file(shard):
    import hashlib

    stream = io.BytesIO()
    writer = ShardWriter(stream)
    for key, files in SAMPLES.items():
        writer.append(key, files)
    assert writer.close() == hashlib.sha256(shard[0]).hexdigest()
    assert stream.getvalue() == shard[0]
    assert writer.size == len(shard[0])


@pytest.mark.parametrize(
    ("length", "place", "whole"),
    [
        (0, "in its first sample", 0),
        (700, "in its first sample", 0),
        (1024, "in or after sample 'utt-1'", 0),
        (2000, "in or after sample 'utt-1'", 0),
        (2560, "in or after sample 'utt-1'", 0),  # whole, but only the next header would tell
        (3600, "in or after sample 'utt-2'", 1),
        (7000, "in or after sample 'utt-3'", 2),
    ],
)
def test_a_tar_cut_anywhere_is_named_with_the_place(shard, length, place, whole):
    found = []
    with pytest.raises(CorpusError, match=rf"^x\.tar: is cut at byte {length}, {place}; copy the shard again"):
        found.extend(scan(io.BytesIO(shard[0][:length]), "x.tar"))
    assert found == shard[1][:whole]


def test_a_tar_that_ends_without_its_end_is_cut_too(shard):
    data, spans = shard
    with pytest.raises(CorpusError, match="after sample 'utt-3'"):
        list(scan(io.BytesIO(data[: spans[-1].offset + spans[-1].size]), "x.tar"))


def test_a_damaged_header_is_named_with_its_byte(shard):
    data, spans = shard
    broken = bytearray(data)
    broken[spans[1].offset + 130] ^= 1
    with pytest.raises(CorpusError, match=rf"x\.tar, byte {spans[1].offset}: is not a tar header"):
        list(scan(io.BytesIO(bytes(broken)), "x.tar"))


def test_links_and_other_strange_members_are_refused():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        link = tarfile.TarInfo("a.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(CorpusError, match=r"a\.json is no plain file"):
        list(scan(io.BytesIO(stream.getvalue()), "x.tar"))


def test_half_a_span_cannot_be_unpacked(shard):
    data, spans = shard
    span = data[spans[0].offset : spans[0].offset + spans[0].size]
    with pytest.raises(CorpusError, match="place: is cut in the middle of a member"):
        unpack(span[: 3 * BLOCK], "place")
    with pytest.raises(CorpusError, match="place: is not a tar header"):
        unpack(span[100:], "place")


def test_a_tar_of_nothing_holds_nothing():
    stream = io.BytesIO()
    ShardWriter(stream).close()
    assert list(scan(io.BytesIO(stream.getvalue()), "x.tar")) == []
