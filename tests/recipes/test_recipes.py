"""Recipe scripts: small, with common flags, and a failed stage stops with its exit code."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(ROOT.glob("recipes/*/run.sh"))
FLAGS = ["--stage", "--stop-stage", "--skip-stages", "--nj", "--ngpu", "--corpus", "--expdir", "--config", "--seed"]


def run(script, *arguments, path=None, cwd=None):
    environment = {"PATH": f"{path}:/usr/bin:/bin" if path else "/usr/bin:/bin", "HOME": "/nonexistent"}
    return subprocess.run(
        ["bash", str(script), *arguments], capture_output=True, text=True, env=environment, cwd=cwd, timeout=60
    )


@pytest.fixture
def fake_asr(tmp_path):
    """An `asr` that writes its arguments down and fails for the verb named in the file `fail`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "asr"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n'
        f'if [ "$1" = "$(cat {tmp_path}/fail 2>/dev/null)" ]; then exit 7; fi\necho corpus\n'
    )
    program.chmod(0o755)
    return folder


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.parent.name)
class TestEveryRecipe:
    def test_is_short_and_documented(self, script):
        assert len(script.read_text().splitlines()) <= 100
        assert (script.parent / "README.md").read_text().startswith("# ")
        assert (ROOT / "conf" / f"{script.parent.name}.yaml").is_file()

    def test_help_names_the_common_flags(self, script):
        result = run(script, "--help")
        assert result.returncode == 0
        assert all(flag in result.stderr for flag in FLAGS)

    @pytest.mark.parametrize("arguments", [["--loud"], ["--stage"], ["--stage", "two"], ["positional"]])
    def test_wrong_usage_is_exit_2(self, script, arguments):
        result = run(script, *arguments)
        assert result.returncode == 2
        assert "run.sh: error:" in result.stderr

    def test_a_failed_stage_stops_with_its_exit_code(self, script, fake_asr, tmp_path):
        (tmp_path / "fail").write_text("units")
        result = run(script, "--data", str(tmp_path / "data"), "--expdir", str(tmp_path / "exp"), path=fake_asr)
        assert result.returncode == 7
        assert "stage 3 (units) failed with exit code 7" in result.stderr
        calls = (tmp_path / "calls").read_text()
        assert "features" in calls
        assert "train --data" not in calls

    def test_stages_can_be_chosen_and_settings_reach_the_trainer(self, script, fake_asr, tmp_path):
        arguments = ["--stage", "2", "--stop_stage", "4", "--skip-stages", "3", "--seed", "5", "--ngpu", "0"]
        result = run(script, *arguments, "--set", "training.epochs=3", "--expdir", str(tmp_path / "e"), path=fake_asr)
        assert result.returncode == 0, result.stderr
        calls = (tmp_path / "calls").read_text()
        assert re.findall(r"^\w+", calls, re.MULTILINE) == ["features", "features", "features", "train"]
        assert "--set training.epochs=3 --set seed=5 --device cpu --resume" in calls
        assert re.findall(r"stage (\d)", result.stderr) == ["2", "4"]


def test_the_seed_of_the_configuration_is_kept_without_a_flag(fake_asr, tmp_path):
    (tmp_path / "c.yaml").write_text("name: x\nseed: 42  # the answer\n")
    script = ROOT / "recipes" / "an4" / "run.sh"
    run(script, "--stage", "4", "--stop-stage", "4", "--config", str(tmp_path / "c.yaml"), path=fake_asr)
    assert "--set seed=42" in (tmp_path / "calls").read_text()


def test_a_model_to_begin_with_reaches_the_trainer(fake_asr, tmp_path):
    """Also one whose name has a space; without the flag there is none."""
    script = next(path for path in SCRIPTS if path.parent.name == "librispeech")
    training = ["--stage", "4", "--stop-stage", "4"]
    run(script, *training, "--init", str(tmp_path / "my model"), path=fake_asr)
    run(script, *training, path=fake_asr)
    begun, anew = (tmp_path / "calls").read_text().splitlines()
    assert begun.endswith(f"--resume --init {tmp_path}/my model")
    assert "--init" not in anew


def test_fsdd_holds_a_speaker_out(fake_asr, tmp_path):
    script = ROOT / "recipes" / "fsdd" / "run.sh"
    result = run(script, "--held-out", "theo", "--stage", "1", "--stop-stage", "1", path=fake_asr)
    assert result.returncode == 0, result.stderr
    assert "--out data/fsdd-theo --held-out-speaker theo" in (tmp_path / "calls").read_text()


def test_the_number_of_processes_reaches_features_search_and_tuning(fake_asr, tmp_path):
    script = ROOT / "recipes" / "an4" / "run.sh"
    stages = ["--skip-stages", "0 1 3 4 6 7 10", "--expdir", str(tmp_path / "e")]
    result = run(script, "--nj", "3", *stages, path=fake_asr)
    assert result.returncode == 0, result.stderr
    calls = (tmp_path / "calls").read_text().splitlines()
    wanted = [call for call in calls if call.startswith(("features ", "decode ", "tune "))]
    assert len(wanted) == 3 + 6 + 2
    assert all("--nj 3" in call for call in wanted)
