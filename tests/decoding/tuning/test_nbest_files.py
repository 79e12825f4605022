"""N-best lists on disk, and rescoring them."""

import json

import pytest
import torch

from asr.__main__ import run
from asr.decoding.results.hypothesis import Hypothesis
from asr.decoding.tuning.nbest_files import read_nbest, rescore_file, tune_file, write_nbest
from asr.decoding.tuning.rescoring import RescoringWeights
from asr.errors import DecodingError
from asr.lm.lstm import LstmLanguageModel, LstmLmConfig, LstmNetwork
from asr.scoring.reading.transcripts import Transcripts

LISTS = {
    "u1": [Hypothesis("a b", -1.0, acoustic_score=-1.0, lm_score=-2.0), Hypothesis("b", -3.0, acoustic_score=-3.0)],
    "u2": [Hypothesis("ä", -0.5, acoustic_score=-0.25, lm_score=-1.0)],
}


@pytest.fixture
def nbest(tmp_path):
    write_nbest(tmp_path / "nbest.jsonl", LISTS.items())
    return tmp_path / "nbest.jsonl"


@pytest.fixture
def lstm(tmp_path):
    torch.manual_seed(0)
    config = LstmLmConfig(embedding=3, hidden=3, layers=1)
    words = ["<unk>", "<s>", "</s>", "a", "b"]
    model = LstmLanguageModel(words, LstmNetwork(config, len(words)), config)
    model.network.bias.data[:] = torch.tensor([-9.0, -9.0, 3.0, -9.0, 3.0])  # it likes "b" and the end
    model.save(tmp_path / "lstm")
    return tmp_path / "lstm"


def test_lists_are_read_back(nbest):
    assert read_nbest(nbest) == LISTS


def test_scoring_takes_the_first_reading(nbest):
    from asr.scoring.reading.records import json_records, read_records

    transcripts = Transcripts("hyp", {})
    texts = dict(read_records(transcripts, json_records("nbest", nbest.read_text()), "hyp"))
    assert texts == {"u1": "a b", "u2": "ä"}


@pytest.mark.parametrize(
    "line",
    ["x", "[]", '{"id": "u9"}', '{"id": "u9", "nbest": []}', '{"id": "u9", "nbest": [{"text": "a"}]}',
     json.dumps({"id": "u1", "nbest": [{"text": "a", "score": 0, "acoustic_score": 0, "lm_score": 0}]})],
)  # fmt: skip
def test_broken_lists_name_file_and_line(nbest, line):
    nbest.write_text(nbest.read_text() + line + "\n")
    with pytest.raises(DecodingError, match=r"nbest\.jsonl: line 3"):
        read_nbest(nbest)


def test_missing_file_is_an_error(tmp_path):
    with pytest.raises(DecodingError, match="cannot be read"):
        read_nbest(tmp_path / "nothing.jsonl")


def test_rescoring_moves_the_likely_reading_up(nbest, lstm, tmp_path):
    assert rescore_file(nbest, lstm, tmp_path / "out.jsonl", RescoringWeights(0.0, 1.0, 0.0)) == 2
    rescored = read_nbest(tmp_path / "out.jsonl")
    assert [reading.text for reading in rescored["u1"]] == ["b", "a b"]
    model = LstmLanguageModel.load(lstm)
    assert rescored["u1"][0].score == pytest.approx(-3.0 + model.score([["b"]])[0], abs=1e-4)


def test_tuning_needs_a_reference_for_every_list(nbest, lstm):
    assert tune_file(nbest, lstm, {"u1": "b", "u2": "ä", "u3": "x"}).errors == 0
    with pytest.raises(DecodingError, match="1 of 2 utterances have no reference"):
        tune_file(nbest, lstm, {"u1": "b"})


def test_the_verb_tunes_and_rescores(nbest, lstm, tmp_path, capsys):
    rows = [
        {"id": key, "audio": "x.wav", "start": 0, "duration": 1, "text": text}
        for key, text in [("u1", "b"), ("u2", "ä")]
    ]
    (tmp_path / "dev.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["lm", "rescore", str(nbest), "--lstm", str(lstm), "--out", str(tmp_path / "out.jsonl")]
    assert run([*command, "--tune-nbest", str(nbest), "--manifest", str(tmp_path / "dev.jsonl")]) == 0
    assert "0 of 2 words wrong, before 1" in capsys.readouterr().out
    assert read_nbest(tmp_path / "out.jsonl")["u1"][0].text == "b"
    assert run([*command, "--tune-nbest", str(nbest)]) == 2
