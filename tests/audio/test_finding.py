"""What of a folder is a recording, and that nothing is passed over without a word."""

import logging
import os

import pytest

from asr.audio.finding import is_folder, look_through, printable


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def found(folder):
    return [path.relative_to(folder).as_posix() for path in look_through(folder).recordings]


def test_every_kind_of_audio_at_any_depth_in_order(tmp_path):
    make(tmp_path, "b.WAV", "a/c.m4a", "a/b/d.flac", "notes.txt", "phone.amr", "chrome.webm")
    assert found(tmp_path) == ["a/b/d.flac", "a/c.m4a", "b.WAV", "chrome.webm", "phone.amr"]


def test_what_is_no_recording_is_named(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    make(tmp_path, "a.wav", "._a.wav", ".hidden/b.wav", "a.wav.part", "a.txt", "c.doc")
    assert found(tmp_path) == ["a.wav"]
    look_through(tmp_path).tell(tmp_path)
    assert "passed over 5 files that are hidden or no audio: ._a.wav, .hidden, a.txt, ..." in caplog.text
    caplog.clear()
    look_through(tmp_path).tell(tmp_path, expected=frozenset({".txt"}))
    assert "passed over 4 files" in caplog.text


def test_links_are_followed_once_and_broken_ones_are_kept_to_fail_by_name(tmp_path):
    make(tmp_path / "real", "r.wav")
    make(tmp_path / "f", "a.wav")
    folder = tmp_path / "f"
    (folder / "b.wav").symlink_to("../nowhere/b.wav")
    (folder / "c.wav").symlink_to("c.wav")
    (folder / "loop").symlink_to(".")
    (folder / "sub").symlink_to("../real")
    (folder / "again").symlink_to("../real")
    content = look_through(folder)
    assert [path.name for path in content.recordings] == ["a.wav", "r.wav", "b.wav", "c.wav"]
    assert sorted(path.name for path in content.others) == ["loop", "sub"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_closed_folder_is_told(tmp_path):
    make(tmp_path, "a.wav", "shut/b.wav")
    (tmp_path / "shut").chmod(0)
    content = look_through(tmp_path)
    (tmp_path / "shut").chmod(0o755)
    assert content.closed == [(tmp_path / "shut", "Permission denied")]


def test_a_folder_that_cannot_be_listed_is_told(tmp_path, monkeypatch):
    make(tmp_path, "a.wav", "shut/b.wav")
    listing = type(tmp_path).iterdir

    def refusing(self):
        if self.name == "shut":
            raise PermissionError(13, "Permission denied", str(self))
        return listing(self)

    monkeypatch.setattr(type(tmp_path), "iterdir", refusing)
    assert look_through(tmp_path).closed == [(tmp_path / "shut", "Permission denied")]


def test_pipes_are_no_recordings(tmp_path):
    os.mkfifo(tmp_path / "a.wav")
    assert found(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [(b"caf\xe9.wav", "caf\ufffd.wav"), (b"two\nlines", "two\\nlines"), (b"a\tb", "a\\tb"), ("grün".encode(), "grün")],
)
def test_names_are_printed_in_one_line(name, shown):
    assert printable(os.fsdecode(name)) == shown


def test_what_lies_in_a_closed_folder_is_no_folder_and_no_error(tmp_path, monkeypatch):
    """Path.is_dir() raises where os.path.isdir() says no."""
    monkeypatch.setattr("os.stat", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    assert not is_folder(tmp_path / "shut" / "b.wav")
