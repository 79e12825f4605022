"""`asr download` where nothing has to be downloaded: the folder of a corpus at hand, and one line where none is."""

from asr.__main__ import run


def test_a_corpus_at_hand_is_printed_and_nothing_is_written(tmp_path, capsys, monkeypatch):
    (tmp_path / "corpora" / "fsdd").mkdir(parents=True)
    monkeypatch.setenv("ASR_CORPORA", str(tmp_path / "corpora"))
    assert run(["download", "fsdd", "--out", str(tmp_path / "new")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'corpora' / 'fsdd'}\n"
    assert not (tmp_path / "new").exists()


def test_a_corpus_that_nobody_offers_is_refused_in_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("ASR_CORPORA", raising=False)
    assert run(["download", "nosuch", "--out", str(tmp_path)]) != 0
    error = capsys.readouterr().err
    assert error.startswith("asr: error: nosuch") and error.count("\n") == 1
