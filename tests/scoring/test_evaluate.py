"""From files to a whole evaluation."""

import logging
from pathlib import Path

import pytest

from asr.errors import ScoringError, UsageError
from asr.scoring.evaluate import Evaluation, Options, evaluate

FAST = Options(resamples=100)


def test_everything_is_there(evaluation: Evaluation) -> None:
    a, b = evaluation.systems
    assert [a.score.name, b.score.name] == ["a.trn", "b.jsonl"]
    assert (a.score.totals.errors, b.score.totals.errors) == (3, 5)
    assert a.by_utterance.units == 5
    assert a.by_speaker is not None
    assert a.by_speaker.units == 3
    assert a.macro_speaker is not None
    assert a.macro_speaker[0] == pytest.approx((2 / 6 + 1 / 4 + 0) / 3)
    assert list(a.breakdowns) == ["speaker", "condition"]
    assert [group.name for group in a.breakdowns["condition"]] == ["clean", "noisy"]
    assert a.calibration is None
    assert b.calibration is not None
    assert b.oracle[2].errors == 0
    assert len(evaluation.comparisons) == 1
    assert evaluation.comparisons[0].by_speaker is not None


def test_missing_hypotheses_are_deletions_and_are_said(files: Path, caplog: pytest.LogCaptureFixture) -> None:
    (files / "short.trn").write_text("a (cid-1)\n")
    with caplog.at_level(logging.WARNING, logger="asr"):
        system = evaluate(files / "ref.trn", [files / "short.trn"], FAST).systems[0]
    assert system.score.totals.deletions == system.score.totals.reference - 1
    assert "4 of 5 utterances have no hypothesis" in caplog.text


def test_speakers_from_ids(files: Path) -> None:
    options = Options(speaker_from_id=True, resamples=100)
    system = evaluate(files / "ref.trn", [files / "a.trn"], options).systems[0]
    assert [group.name for group in system.breakdowns["speaker"]] == ["ann", "bob", "cid"]
    assert evaluate(files / "ref.trn", [files / "a.trn"], FAST).systems[0].breakdowns == {}


def test_stm_is_broken_down_by_speaker_and_recording_without_being_asked(tmp_path: Path) -> None:
    (tmp_path / "x.stm").write_text("f 1 ann 0 1 go\nf 1 bob 1 2 (uh) home\ng 1 ann 0 1 now\n")
    (tmp_path / "x.ctm").write_text("f 1 0.2 0.2 go\nf 1 1.2 0.2 home\ng 1 0.1 0.1 no\n")
    system = evaluate(tmp_path / "x.stm", [tmp_path / "x.ctm"], FAST).systems[0]
    assert list(system.breakdowns) == ["speaker", "recording"]
    assert (system.score.totals.errors, system.score.totals.reference) == (1, 4)


def test_recordings_of_a_manifest_count_when_utterances_share_them(files: Path) -> None:
    manifest = (files / "manifest.jsonl").read_text().replace("ann-2.wav", "ann-1.wav")
    (files / "manifest.jsonl").write_text(manifest)
    options = Options(manifest=files / "manifest.jsonl", resamples=100)
    system = evaluate(files / "ref.trn", [files / "a.trn"], options).systems[0]
    assert [group.utterances for group in system.breakdowns["recording"]] == [2, 1, 1, 1]


def test_vocabulary_is_normalised_as_the_texts_are(files: Path) -> None:
    (files / "words.txt").write_text("<eps> 0\nTHE 1\nCAT 2\nGO 3\nHOME 4\n\n")
    options = Options(vocabulary=files / "words.txt", profile="basic", resamples=100)
    unknown = evaluate(files / "ref.trn", [files / "a.trn"], options).systems[0].unknown
    assert unknown is not None
    assert set(unknown.examples) == {"sat", "now", "b", "bold", "quoted", "script", "a"}
    assert unknown.errors == 0


def test_characters_have_no_unknown_words_and_no_confidences(files: Path) -> None:
    options = Options(unit="char", vocabulary=files / "ref.trn", resamples=100)
    system = evaluate(files / "ref.trn", [files / "b.jsonl"], options).systems[0]
    assert system.unknown is None
    assert system.calibration is None


def test_systems_with_the_same_file_name_are_told_apart_by_their_path(files: Path) -> None:
    (files / "other").mkdir()
    (files / "other" / "a.trn").write_bytes((files / "a.trn").read_bytes())
    systems = evaluate(files / "ref.trn", [files / "a.trn", files / "other" / "a.trn"], FAST).systems
    assert systems[1].score.name.endswith("other/a.trn")


@pytest.mark.parametrize(
    ("hyps", "options", "reason"),
    [
        (["a.trn", "a.trn"], Options(), "same file twice"),
        (["-", "-"], Options(), "more than once"),
        (["a.trn"], Options(by=["weather"]), "--by weather is not a field|--by weather: is not a field"),
        (["a.trn"], Options(profile="klingon"), "profile klingon"),
    ],
)
def test_usage_errors(files: Path, hyps: list[str], options: Options, reason: str) -> None:
    paths = [name if name == "-" else files / name for name in hyps]
    with pytest.raises(UsageError, match=reason):
        evaluate(files / "ref.trn", paths, options)


def test_empty_references_and_foreign_manifests_are_errors(files: Path) -> None:
    (files / "empty.trn").write_text("\n")
    with pytest.raises(ScoringError, match="holds no utterances"):
        evaluate(files / "empty.trn", [files / "a.trn"], FAST)
    (files / "other.trn").write_text("x (u1)\n")
    options = Options(manifest=files / "manifest.jsonl")
    with pytest.raises(ScoringError, match="none of the utterances"):
        evaluate(files / "other.trn", [files / "other.trn"], options)


def test_confidences_that_are_no_probabilities_cost_the_calibration_and_not_the_score(
    files: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (files / "log.jsonl").write_text('{"id": "cid-1", "text": "a", "words": [{"word": "a", "confidence": -2.5}]}\n')
    with caplog.at_level(logging.WARNING, logger="asr"):
        system = evaluate(files / "ref.trn", [files / "log.jsonl"], FAST).systems[0]
    assert system.calibration is None
    assert "cid-1: has a confidence of -2.5" in caplog.text


def test_kaldi_s_utt2spk_beside_its_text_gives_the_speakers(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("u1 go home\nu2 now\n")
    (tmp_path / "utt2spk").write_text("u1 ann\nu2 bob\nu3 cid\n")
    system = evaluate(tmp_path / "text", [tmp_path / "text"], FAST).systems[0]
    assert [group.name for group in system.breakdowns["speaker"]] == ["ann", "bob"]
