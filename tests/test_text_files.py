"""Text is unpacked and decoded by what it begins with, whatever its name is."""

import bz2
import gzip
import io
import lzma
import types

import pytest

from asr.text_files import decode, open_bytes, open_text, packing


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("name", ["x", "x.gz", "x.arpa"])
def test_packed_by_content_and_not_by_name(tmp_path, pack, name):
    (tmp_path / name).write_bytes(pack("\ufeffgrün\r\nzwei\n".encode()))
    with open_text(tmp_path / name) as stream:
        assert list(stream) == ["grün\n", "zwei\n"]


def test_standard_input_may_be_packed(monkeypatch):
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(gzip.compress(b"a\n"))))
    assert open_bytes("-").read() == b"a\n"


def test_utf_16_of_spreadsheets(tmp_path):
    (tmp_path / "x").write_bytes("grün\n".encode("utf-16"))
    with open_text(tmp_path / "x") as stream:
        assert stream.read() == "grün\n"
    assert decode("grün".encode("utf-16")) == "grün"
    assert decode(b"\xef\xbb\xbfgr") == "gr"


@pytest.mark.parametrize(("head", "name"), [(b"PK\x03\x04", "zip"), (b"\x28\xb5\x2f\xfd", "zstd")])
def test_other_packings_are_named(tmp_path, head, name):
    (tmp_path / "x").write_bytes(head + b"\0" * 20)
    with pytest.raises(OSError, match=name):
        open_bytes(tmp_path / "x")


def test_kinds():
    assert [packing(head) for head in (b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\x00", b"", b"text")] == [
        "gzip", "bzip2", "xz", "", "",
    ]  # fmt: skip
