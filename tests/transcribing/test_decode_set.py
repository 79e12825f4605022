"""Decoding a set: from features or audio alike, whatever the batch size, and nothing lost to a bad file."""

import numpy as np
import pytest
from tests_model import RATE, sounds

from asr.__main__ import run
from asr.audio.reading import write_audio
from asr.corpus.manifest import load_manifest, write_manifest
from asr.corpus.utterance import Utterance
from asr.decoding.from_files import DecoderRecipe, shared
from asr.decoding.paths.log_probs import read_log_probs, read_meta
from asr.decoding.results.hypothesis import Hypothesis
from asr.errors import DecodingError
from asr.features.computing import compute_features
from asr.lm.files import load_lm
from asr.transcribing.decode_set import decode_set
from asr.transcribing.recognizer import Recognizer


@pytest.fixture
def manifest(tmp_path):
    """Six utterances, the last two of one longer recording."""
    waves = sounds(6, seed=8)
    utterances = []
    for index, wave in enumerate(waves):
        write_audio(tmp_path / f"{index}.wav", wave, RATE)
        utterances.append(Utterance(f"utt{index}", f"{index}.wav", 0.0, len(wave) / RATE, text="a b", speaker="s"))
    half = utterances[-1].duration / 2
    spans = [Utterance(f"span{i}", "5.wav", i * half, half, text="c", speaker="s") for i in range(2)]
    write_manifest(tmp_path / "test.jsonl", utterances + spans)
    return tmp_path / "test.jsonl"


@pytest.fixture
def arpa(tmp_path):
    """A word 2-gram model as an ARPA file, with a word that the units cannot spell."""
    (tmp_path / "text.txt").write_text("ab cd\nabba\nab abba dad\ncab dad ab xyz\n")
    assert run(["lm", "train", str(tmp_path / "text.txt"), "--order", "2", "--out", str(tmp_path / "lm.arpa")]) == 0
    return tmp_path / "lm.arpa"


def texts(folder):
    return (folder / "hyp.trn").read_text()


def test_features_or_audio_and_any_batch_size_give_the_same_text(recognizer, manifest, tmp_path):
    config = recognizer.trained.config.features.model_copy(update={"store_dtype": "float32"})
    compute_features(manifest, tmp_path / "features", config)
    decode_set(recognizer, manifest, tmp_path / "audio", batch_size=1)
    decode_set(recognizer, manifest, tmp_path / "batched", batch_size=8)
    summary = decode_set(recognizer, manifest, tmp_path / "stored", features=tmp_path / "features")
    assert texts(tmp_path / "audio") == texts(tmp_path / "batched") == texts(tmp_path / "stored")
    assert summary.utterances == 8
    assert summary.failed == []


def test_the_folder_is_what_the_scorer_reads(recognizer, manifest, tmp_path, capsys):
    decode_set(recognizer, manifest, tmp_path / "out")
    out = tmp_path / "out"
    assert (out / "ref.trn").read_text().splitlines()[0] == "a b (utt0)"
    assert run(["score", "-r", str(out / "ref.trn"), "-h", str(out / "hyp.trn")]) == 0
    assert "%WER" in capsys.readouterr().out
    cached = dict(read_log_probs(out / "log_probs.npz"))
    assert cached.keys() == {utterance.id for utterance in load_manifest(manifest)}
    assert read_meta(out / "log_probs.npz").seconds_per_frame == pytest.approx(0.02)


def test_ctm_times_are_those_of_the_recording(recognizer, manifest, tmp_path):
    decode_set(recognizer, manifest, tmp_path / "out")
    second = next(u for u in load_manifest(manifest) if u.id == "span1")
    starts = [
        float(line.split()[2]) for line in (tmp_path / "out" / "hyp.ctm").read_text().splitlines() if line[0] == "5"
    ]
    assert max(starts) >= second.start
    assert max(starts) <= second.start + second.duration


def test_the_ctm_is_scored_against_the_stm_beside_it(recognizer, manifest, tmp_path, capsys):
    decode_set(recognizer, manifest, tmp_path / "out")
    out = tmp_path / "out"
    assert run(["score", "-r", str(out / "ref.stm"), "-h", str(out / "hyp.ctm")]) == 0
    by_time = capsys.readouterr().out.splitlines()[0]
    assert run(["score", "-r", str(out / "ref.trn"), "-h", str(out / "hyp.trn")]) == 0
    assert "/ 14," in by_time
    assert "/ 14," in capsys.readouterr().out.splitlines()[0]


def test_an_unreadable_utterance_is_named_and_the_rest_decoded(recognizer, model_folder, manifest, tmp_path, capsys):
    (tmp_path / "2.wav").write_bytes(b"junk")
    assert run(["decode", str(manifest), "--model", str(model_folder), "--out", str(tmp_path / "out")]) == 1
    assert "utt2" in capsys.readouterr().err
    assert len(texts(tmp_path / "out").splitlines()) == 7
    assert len((tmp_path / "out" / "ref.trn").read_text().splitlines()) == 8


def test_processes_and_batches_change_nothing(model_folder, manifest, arpa, tmp_path, capfd):
    def decoded(name, *options):
        arguments = ["decode", str(manifest), "--model", str(model_folder), "--out", str(tmp_path / name)]
        search = ["--beam-size", "8", "--nbest", "4", "--lm", str(arpa), "--alpha", "0.4"]
        assert run([*arguments, *search, *options]) == 0
        return {path.name: path.read_text() for path in (tmp_path / name).iterdir() if path.suffix != ".npz"}

    alone = decoded("alone")
    assert alone.keys() == {"ref.trn", "hyp.trn", "ref.stm", "hyp.ctm", "nbest.jsonl"}
    assert len(alone["nbest.jsonl"].splitlines()) == 8
    assert len(alone["hyp.ctm"].splitlines()) > 8
    capfd.readouterr()
    assert decoded("parallel", "--nj", "2") == alone
    assert capfd.readouterr().err.count("words of the language model cannot be spelled") == 1  # not by each process
    batched = decoded("batched", "--batch-size", "1")
    assert batched["hyp.trn"] == alone["hyp.trn"]


def test_processes_map_one_copy_of_the_language_model(arpa, tmp_path):
    recipe = DecoderRecipe(tmp_path / "units.txt", 0.02, lm=arpa)
    with shared(recipe) as sent:
        assert sent.lm != arpa
        mapped = load_lm(sent.lm).arrays.slots
        assert isinstance(mapped.base, np.memmap)
        folder = sent.lm
        with shared(sent) as again:
            assert again == sent  # a folder is shared as it is
    assert not folder.exists()
    with shared(DecoderRecipe(tmp_path / "units.txt", 0.02)) as plain:
        assert plain.lm is None


class Fussy:
    """A decoder that cannot decode short utterances."""

    def decode(self, log_probs):
        if len(log_probs) < 40:
            raise DecodingError("frame 3", "leaves no reading", "widen the beam")
        return [Hypothesis("fine", 0.0)]


def test_an_utterance_that_cannot_be_decoded_is_named_and_the_rest_written(recognizer, manifest, tmp_path, caplog):
    fussy = Recognizer(recognizer.trained, Fussy())
    summary = decode_set(fussy, manifest, tmp_path / "out")
    short = {name for name, rows in read_log_probs(tmp_path / "out" / "log_probs.npz") if len(rows) < 40}
    assert set(summary.failed) == short
    assert 0 < len(short) < 8
    assert summary.utterances == 8 - len(short) == len(texts(tmp_path / "out").splitlines())
    assert all(f"utterance {name}: frame 3: leaves no reading" in caplog.text for name in short)


def test_the_nbest_lists_of_an_earlier_run_do_not_stay(model_folder, manifest, tmp_path):
    arguments = ["decode", str(manifest), "--model", str(model_folder), "--out", str(tmp_path / "out")]
    run([*arguments, "--beam-size", "4", "--nbest", "3"])
    assert (tmp_path / "out" / "nbest.jsonl").exists()
    run(arguments)
    assert not (tmp_path / "out" / "nbest.jsonl").exists()
