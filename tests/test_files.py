"""Atomic writes: the old content or the new, never half of either."""

import pytest

from asr.files import atomic_directory, atomic_write


def test_a_finished_write_replaces_the_file(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    for content in ("old", "new"):
        with atomic_write(path) as stream:
            stream.write(content)
    assert path.read_text() == "new"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.txt"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_write(path, "wb") as stream:
        stream.write(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "folder"
    with atomic_directory(target) as folder:
        (folder / "one").write_text("1")
        assert not target.exists()
    with pytest.raises(RuntimeError), atomic_directory(target) as folder:
        (folder / "two").write_text("2")
        raise RuntimeError
    assert [entry.name for entry in target.iterdir()] == ["one"]
    with atomic_directory(target) as folder:
        (folder / "three").write_text("3")
    assert [entry.name for entry in target.iterdir()] == ["three"]
    assert list(tmp_path.iterdir()) == [target]
