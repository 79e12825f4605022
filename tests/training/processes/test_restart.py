"""`torchrun` starts, restarts and ends a job: what then resumes by itself, and what is refused."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests_toy import toy_config

from asr.config.experiment import save_config
from asr.errors import TrainingError
from asr.training.checkpoint import save_checkpoint
from asr.training.experiment import train_experiment
from asr.training.processes.restart import admit, dismiss, job_path
from asr.training.processes.world import NO_JOB, World

pytestmark = pytest.mark.slow

WEIGHTS = "model/model.safetensors"
HELPERS = Path(__file__).parents[2] / "helpers"
ROOT = Path(__file__).parents[3]


def start(restarts=0, job=NO_JOB, rank=0, size=2):
    return World(rank, size, restarts, job)


def with_checkpoint(experiment):
    save_checkpoint(experiment / "checkpoints", 3, {"any": 1}, keep=2)
    return experiment


def test_an_empty_folder_is_begun_in(tmp_path):
    assert admit(tmp_path / "exp", resume=False, world=World()) is False
    assert not job_path(tmp_path / "exp").exists(), "without torchrun nothing restarts"


def test_checkpoints_without_a_wish_to_resume_are_refused(tmp_path):
    for world in (World(), start()):
        with pytest.raises(TrainingError, match="already holds checkpoints; add --resume"):
            admit(with_checkpoint(tmp_path), resume=False, world=world)
        assert admit(tmp_path, resume=True, world=world) is True


def test_a_restart_goes_on_by_itself(tmp_path):
    assert admit(tmp_path, resume=False, world=start()) is False
    with_checkpoint(tmp_path)
    assert admit(tmp_path, resume=False, world=start(restarts=1)) is True
    assert admit(tmp_path, resume=False, world=start(restarts=2)) is True


def test_a_restart_before_the_first_checkpoint_begins_again(tmp_path):
    admit(tmp_path, resume=False, world=start())
    assert admit(tmp_path, resume=False, world=start(restarts=1)) is True, "resuming without checkpoints begins"
    assert admit(tmp_path / "never-begun", resume=False, world=start(restarts=1)) is False


def test_a_refused_job_is_refused_again_however_often_it_is_restarted(tmp_path):
    """Also where an earlier job was interrupted there and left its mark."""
    admit(tmp_path, resume=False, world=start())
    with_checkpoint(tmp_path)
    for restarts in range(3):
        with pytest.raises(TrainingError, match="already holds checkpoints"):
            admit(tmp_path, resume=False, world=start(restarts))


def test_a_job_with_a_name_goes_on_when_machines_come_or_go(tmp_path):
    """`torchrun` then counts no restart; the name (--rdzv-id) says that it is the same job."""
    admit(tmp_path, resume=False, world=start(job="monday"))
    with_checkpoint(tmp_path)
    assert admit(tmp_path, resume=False, world=start(job="monday")) is True
    with pytest.raises(TrainingError, match="already holds checkpoints"):
        admit(tmp_path, resume=False, world=start(job="tuesday"))


def test_a_finished_job_leaves_no_mark(tmp_path):
    admit(tmp_path, resume=False, world=start(job="monday"))
    dismiss(tmp_path)
    dismiss(tmp_path)
    with pytest.raises(TrainingError):
        admit(with_checkpoint(tmp_path), resume=False, world=start(job="monday"))


def test_other_ranks_leave_the_folder_alone(tmp_path):
    with_checkpoint(tmp_path)
    leftover = tmp_path / "checkpoints" / ".state.123.tmp"
    leftover.touch()
    assert admit(tmp_path, resume=False, world=start(rank=1)) is False
    assert leftover.exists()
    admit(tmp_path, resume=True, world=start())
    assert not leftover.exists(), "half a file of a killed process"


def torchrun(*arguments, processes=2):
    """The command and the environment of a job on this machine."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return [*command, *map(str, arguments)], {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def training(data, config, experiment):
    return ["train", "--data", data, "--config", config, "--exp", experiment, "--device", "cpu", "--threads", "1"]


@pytest.fixture
def config(tmp_path):
    settings = toy_config(training={"accumulate": 2, "save_steps": 2})
    save_config(settings, tmp_path / "toy.yaml")
    return settings


def test_a_killed_worker_makes_the_job_go_on_from_the_last_checkpoint(toy_data, tmp_path, config):
    """Three updates an epoch, a save after every second: the kill in update 6 falls back to the save of update 5."""
    train_experiment(config, toy_data, tmp_path / "undisturbed", device="cpu", threads=1)
    arguments = training(toy_data, tmp_path / "toy.yaml", tmp_path / "exp")
    command, environment = torchrun("--max-restarts", 1, HELPERS / "tests_dying.py", 1, 6, *arguments)
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, result.stderr
    assert "Signal 9" in result.stderr or "exitcode: -9" in result.stderr
    assert "resumed at epoch 2, update 4" in result.stderr
    assert result.stdout.count("dev WER") == 1, "the first process alone tells the result"
    assert (tmp_path / "exp" / WEIGHTS).read_bytes() == (tmp_path / "undisturbed" / WEIGHTS).read_bytes()
    assert not job_path(tmp_path / "exp").exists()


@pytest.mark.slow
def test_ctrl_c_ends_all_processes_and_a_resume_goes_on(toy_data, tmp_path):
    """Takes half a minute. Last run: 2026-11-22."""
    save_config(toy_config(training={"accumulate": 2, "epochs": 2000, "save_steps": 5}), tmp_path / "toy.yaml")
    arguments = training(toy_data, tmp_path / "toy.yaml", tmp_path / "exp")
    command, environment = torchrun("-m", "asr", *arguments)
    job = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for(lambda: list((tmp_path / "exp" / "checkpoints").glob("step-*.sha256")))
    workers = children(job.pid)
    assert len(workers) == 2
    job.send_signal(signal.SIGINT)
    _, errors = job.communicate(timeout=60)
    assert job.returncode != 0
    assert "asr: error: interrupted; what was finished is kept" in errors
    wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers), seconds=10)
    command, environment = torchrun("-m", "asr", *arguments, "--resume")
    job = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert any("resumed at epoch" in line for line in job.stderr)
    finally:
        os.killpg(job.pid, signal.SIGKILL)


def wait_for(condition, seconds=120):
    """Until `condition()` holds; fails when it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.1)


def children(pid):
    """Processes that `pid` started."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]
