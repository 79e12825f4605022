"""A small evaluation of two systems with everything in it: speakers, conditions, confidences, n-best lists, audio."""

import json
from pathlib import Path

import numpy as np
import pytest

from asr.audio.reading import write_audio
from asr.scoring.evaluate import Evaluation, Options, evaluate

REFS = {
    "ann-1": "the cat sat",
    "ann-2": "go home now",
    "bob-1": "",
    "bob-2": "<b>bold</b> & 'quoted' </script>",
    "cid-1": "a",
}
SYSTEM_A = {
    "ann-1": "the hat sat",
    "ann-2": "go now",
    "bob-1": "uh",
    "bob-2": "<b>bold</b> & 'quoted' </script>",
    "cid-1": "a",
}
SYSTEM_B = {"ann-1": "the cat sat", "ann-2": "go home", "bob-1": "", "bob-2": "bold & quoted", "cid-1": "b"}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with ref.trn, a.trn, b.jsonl (confidences, n-best lists), manifest.jsonl and its audio."""

    def trn(name: str, texts: dict[str, str]) -> None:
        (tmp_path / name).write_text("".join(f"{text} ({key})\n" for key, text in texts.items()), encoding="utf-8")

    trn("ref.trn", REFS)
    trn("a.trn", SYSTEM_A)
    with (tmp_path / "b.jsonl").open("w", encoding="utf-8") as stream:
        for key, text in SYSTEM_B.items():
            words = [{"word": w, "start": n, "end": n + 1, "confidence": 0.6} for n, w in enumerate(text.split())]
            stream.write(json.dumps({"id": key, "text": text, "words": words, "nbest": [text, REFS[key]]}) + "\n")
    with (tmp_path / "manifest.jsonl").open("w", encoding="utf-8") as stream:
        for n, key in enumerate(REFS):
            write_audio(tmp_path / f"{key}.wav", np.sin(np.arange(8000) * 0.1 * (n + 1)) * 0.5, 16_000)
            fields = {"audio": f"{key}.wav", "start": 0.0, "duration": 0.5, "speaker": key.split("-")[0]}
            stream.write(json.dumps({"id": key, **fields, "condition": ["clean", "noisy"][n % 2]}) + "\n")
    return tmp_path


@pytest.fixture
def evaluation(files: Path) -> Evaluation:
    """Both systems against the references, with the manifest."""
    options = Options(manifest=files / "manifest.jsonl", by=["condition"], resamples=200)
    return evaluate(files / "ref.trn", [files / "a.trn", files / "b.jsonl"], options)
