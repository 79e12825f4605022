"""What `asr export --onnx` writes, and that neither it nor transcribing needs torch."""

import json
import subprocess
import sys

import onnx
from tests_model import sounds, write_model

import asr
from asr.__main__ import run
from asr.audio.reading import write_audio

WITHOUT_TORCH = """
import sys
class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchaudio", "librosa"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Nowhere())
from asr.__main__ import run
sys.exit(run(sys.argv[1:]))
"""


def test_files_for_other_programs(tmp_path, capsys):
    folder = write_model(tmp_path / "model")
    assert run(["export", "--onnx", "--model", str(folder), "--out", str(tmp_path / "out")]) == 0
    names = {"model.onnx", "model.int8.onnx", "tokens.txt", "vocab.txt", "config.json"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert json.loads((tmp_path / "out" / "config.json").read_text())["subsampling_factor"] == 2
    exported, kept = (onnx.load(place / "model.onnx") for place in (tmp_path / "out", folder))
    assert exported.graph == kept.graph
    assert run(["export", "--model", str(folder)]) == 2


def test_transcribing_works_where_torch_is_not_installed_and_training_says_what_it_needs(tmp_path):
    folder = write_model(tmp_path / "model")
    wave = sounds(1)[0]
    write_audio(tmp_path / "a.wav", wave, 8000)

    def without_torch(*arguments):
        command = [sys.executable, "-c", WITHOUT_TORCH, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = without_torch("transcribe", tmp_path / "a.wav", "--model", folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == asr.load_model(folder, device="cpu").transcribe(tmp_path / "a.wav").text.split()
    failed = without_torch("features", tmp_path / "none.jsonl", "--out", tmp_path / "store")
    assert failed.returncode == 1
    assert failed.stderr == "asr: error: 'asr features' needs torch: pip install asr, with all it depends on\n"
