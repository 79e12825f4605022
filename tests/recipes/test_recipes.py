"""Recipe scripts: small, with common flags, and a failed stage stops with its exit code."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WRONG = [
    ["--loud"],
    ["positional"],
    ["--stage"],
    ["--stage", "two"],
    ["--stage="],
    ["--stage", "-1"],
    ["--stage", "99"],
    ["--stage", "99999999999999999999"],
    ["--stage", "3", "--stop-stage", "2"],
    ["--skip-stages", "0 download"],
    ["--skip-stages", "0 99"],
    ["--nj", "0"],
    ["--corpus", ""],
    ["--config", "nowhere.yaml"],
]
FOLDERS = ("common_voice", "english")  # recipes whose first stages look into folders that nothing downloads
SCRIPTS = sorted(ROOT.glob("recipes/*/run.sh"))
FLAGS = ["--stage", "--stop-stage", "--skip-stages", "--nj", "--ngpu", "--corpus", "--expdir", "--config", "--seed"]


def run(script, *arguments, path=None, cwd=None, **variables):
    environment = {"PATH": f"{path}:/usr/bin:/bin" if path else "/usr/bin:/bin", "HOME": "/nonexistent", **variables}
    return subprocess.run(
        ["bash", str(script), *arguments], capture_output=True, text=True, env=environment, cwd=cwd, timeout=60
    )


@pytest.fixture
def fake_asr(tmp_path):
    """An `asr` that writes its arguments down and fails where they match the pattern in the file `fail`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "asr"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n'
        f'case "$*" in $(cat {tmp_path}/fail 2>/dev/null || echo nothing)) exit 7 ;; esac\necho {tmp_path}/corpus\n'
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

    @pytest.mark.parametrize("arguments", WRONG)
    def test_wrong_usage_is_exit_2(self, script, arguments):
        result = run(script, *arguments)
        assert result.returncode == 2
        assert "run.sh: error:" in result.stderr

    def test_a_failed_stage_stops_with_its_exit_code(self, script, fake_asr, tmp_path):
        (tmp_path / "fail").write_text("units*")
        first = ["--stage", "2"] if script.parent.name in FOLDERS else []
        folders = ["--data", str(tmp_path / "data"), "--expdir", str(tmp_path / "exp")]
        result = run(script, *first, *folders, path=fake_asr)
        assert result.returncode == 7
        assert re.search(r"stage \d \([a-z ]*units\) failed with exit code 7", result.stderr)
        calls = (tmp_path / "calls").read_text()
        assert ("features" in calls) == (script.parent.name != "english")  # which trains from audio
        assert "train --data" not in calls

    def test_stages_can_be_chosen_and_settings_reach_the_trainer(self, script, fake_asr, tmp_path):
        skipped, run_stages = ("5", "234") if script.parent.name == "english" else ("3", "24")
        arguments = ["--stage", "2", "--stop_stage", "4", "--skip-stages", skipped, "--seed", "5", "--ngpu", "0"]
        result = run(script, *arguments, "--set", "training.epochs=3", "--expdir", str(tmp_path / "e"), path=fake_asr)
        assert result.returncode == 0, result.stderr
        calls = (tmp_path / "calls").read_text()
        before = ["lexicon", "units", "train"] if script.parent.name == "english" else ["features"] * 3
        assert re.findall(r"^\w+", calls, re.MULTILINE) == [*before, "train"]
        assert "--set training.epochs=3 --set seed=5 --device cpu --resume" in calls
        assert set(re.findall(r"stage (\d)", result.stderr)) == set(run_stages)

    def test_every_command_of_every_stage_counts(self, script, fake_asr, tmp_path):
        """Whichever command fails, it is the last one that runs, and the recipe's exit code is its own."""
        first = {"english": "2"}.get(script.parent.name, "1")  # before it they look into folders of corpora
        folders = ["--stage", first, "--data", str(tmp_path / "data"), "--expdir", str(tmp_path / "exp")]
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "test.jsonl").write_text('{"audio": "a.wav"}\n')
        (tmp_path / "corpus" / "etc").mkdir(parents=True)
        (tmp_path / "corpus" / "etc" / "an4.dic").write_text("A  AH\n")
        decoded = {"dev": "greedy lm3", "test": "greedy beam lm3 lexicon lstm", "test-common-voice": "lm3"}
        for set, decoders in decoded.items():
            for decoder in decoders.split():
                (tmp_path / "exp" / f"decode_{set}_{decoder}").mkdir(parents=True)
        result = run(script, *folders, path=fake_asr)
        assert result.returncode == 0, result.stderr
        calls = (tmp_path / "calls").read_text().splitlines()
        assert len(calls) > 10
        for number, call in enumerate(calls):
            if call in calls[:number]:
                continue  # the first of equal commands fails already
            (tmp_path / "calls").unlink()
            (tmp_path / "fail").write_text("".join(f"[{letter}]" if letter in "[]*?" else letter for letter in call))
            failed = run(script, *folders, path=fake_asr)
            assert failed.returncode == 7, call
            assert (tmp_path / "calls").read_text().splitlines() == calls[: number + 1]


def test_the_seed_of_the_configuration_is_kept_without_a_flag(fake_asr, tmp_path):
    (tmp_path / "c.yaml").write_text("name: x\nseed: 42  # the answer\n")
    script = ROOT / "recipes" / "an4" / "run.sh"
    run(script, "--stage", "4", "--stop-stage", "4", "--config", str(tmp_path / "c.yaml"), path=fake_asr)
    calls = (tmp_path / "calls").read_text()
    assert f"--config {tmp_path}/c.yaml" in calls
    assert "--set" not in calls


def test_relative_paths_start_where_the_recipe_is_called(fake_asr, tmp_path):
    """Also with a space in them, and of the environment's $ASR_CORPORA and $LM_TEXT."""
    here = tmp_path / "my folder"
    here.mkdir()
    (here / "c.yaml").write_text("name: x\n")
    script = ROOT / "recipes" / "librispeech" / "run.sh"
    flags = ["--corpus", "c", "--data=my data", "--expdir", "e", "--config", "c.yaml", "--init", "../i"]
    flags += ["--skip-stages", "5 6 8 9 10"]
    result = run(script, *flags, path=fake_asr, cwd=here, LM_TEXT="text.txt", ASR_CORPORA="corpora")
    assert result.returncode == 0, result.stderr
    calls = (tmp_path / "calls").read_text().splitlines()
    assert f"download librispeech --out downloads --corpus {here}/c" in calls
    assert f"units {here}/my data/train.jsonl --out {here}/my data/units.txt --config {here}/c.yaml" in calls
    assert f"lm train {here}/text.txt --order 3 --out {here}/e/lm3" in calls
    assert any(call.endswith(f"--resume --init {here}/../i") for call in calls)
    (tmp_path / "bin" / "asr").write_text(f'#!/bin/sh\necho "$ASR_CORPORA" >> {tmp_path}/calls\n')
    run(script, "--stop-stage", "0", path=fake_asr, cwd=here, ASR_CORPORA="corpora")
    assert (tmp_path / "calls").read_text().splitlines()[-1] == f"{here}/corpora"


def test_a_missing_configuration_is_one_line(tmp_path):
    result = run(ROOT / "recipes" / "yesno" / "run.sh", "--config", "nowhere.yaml", cwd=tmp_path)
    assert result.stderr == f"run.sh: error: there is no configuration {tmp_path}/nowhere.yaml; see --help\n"


def test_an_interrupt_is_told_as_one(fake_asr, tmp_path):
    (fake_asr / "asr").write_text("#!/bin/sh\nexit 130\n")
    result = run(ROOT / "recipes" / "yesno" / "run.sh", "--stage", "3", path=fake_asr)
    assert result.returncode == 130
    assert "run.sh: interrupted; go on with --stage 3" in result.stderr


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
    assert f"--out {ROOT}/data/fsdd-theo --held-out-speaker theo" in (tmp_path / "calls").read_text()


def test_the_number_of_processes_reaches_features_search_and_tuning(fake_asr, tmp_path):
    script = ROOT / "recipes" / "an4" / "run.sh"
    stages = ["--skip-stages", "0 1 3 4 6 7 10", "--expdir", str(tmp_path / "e")]
    result = run(script, "--nj", "3", *stages, path=fake_asr)
    assert result.returncode == 0, result.stderr
    calls = (tmp_path / "calls").read_text().splitlines()
    wanted = [call for call in calls if call.startswith(("features ", "decode ", "tune "))]
    assert len(wanted) == 3 + 6 + 2
    assert all("--nj 3" in call for call in wanted)
