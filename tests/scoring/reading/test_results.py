"""Earlier results as systems to compare with: only where they were measured alike."""

from pathlib import Path

import pytest

from asr.__main__ import run
from asr.errors import ScoringError
from asr.scoring.evaluate import Options, evaluate


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    texts = {
        "ref": "the cat sat (u1)\ngo Home (u2)\n",
        "old": "the hat sat (u1)\n",
        "new": "the cat sat (u1)\ngo (u2)\n",
    }
    for name, content in texts.items():
        (tmp_path / f"{name}.trn").write_text(content)
    return tmp_path


def result(folder: Path, *options: str) -> Path:
    files = ["-r", str(folder / "ref.trn"), "-h", str(folder / "old.trn"), "--json", str(folder / "old.json")]
    assert run(["score", *files, *options]) == 0
    return folder / "old.json"


@pytest.mark.parametrize("profile", ["none", "basic", "english"])
def test_an_earlier_result_is_what_it_was(folder: Path, profile: str) -> None:
    earlier = result(folder, "--profile", profile)
    found = evaluate(folder / "ref.trn", [folder / "new.trn", earlier], Options(profile=profile, resamples=100))
    again = evaluate(folder / "ref.trn", [folder / "old.trn"], Options(profile=profile, resamples=100))
    assert found.systems[1].score.counts.tolist() == again.systems[0].score.counts.tolist()
    assert found.systems[1].score.missing == ["u2"]
    assert len(found.comparisons) == 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (Options(profile="basic"), r"other rules, none 1 \(\w+\) and not basic 2"),
        (Options(unit="char"), "another unit"),
        (Options(costs="sclite"), "other alignment costs"),
    ],
)
def test_what_was_measured_otherwise_is_refused(folder: Path, options: Options, reason: str) -> None:
    with pytest.raises(ScoringError, match=reason):
        evaluate(folder / "ref.trn", [result(folder)], options)


def test_other_references_and_broken_results_are_refused(folder: Path) -> None:
    earlier = result(folder)
    (folder / "ref.trn").write_text("the cat sat (u1)\ngo away (u2)\n")
    with pytest.raises(ScoringError, match="other references, first in u2"):
        evaluate(folder / "ref.trn", [earlier], Options())
    earlier.write_text('{"per_utterance": [], "systems": [], "normalisation": {}, "unit": "word", "costs": {}}')
    with pytest.raises(ScoringError, match="no whole result"):
        evaluate(folder / "ref.trn", [earlier], Options())
