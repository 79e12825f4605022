"""The command: exit codes, one-line errors, quick help without heavy imports."""

import signal
import subprocess
import sys

import pytest

import asr.cli
from asr.__main__ import hyphenate, run

HEAVY = ("torch", "torchaudio", "librosa", "numba", "jiwer", "scipy", "matplotlib", "soundfile", "numpy")


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["score", "--help"], ["lm", "--help"]])
def test_help_imports_nothing_heavy(arguments):
    program = (
        "import sys; from asr.__main__ import run; code = run(sys.argv[1:]); "
        f"print('HEAVY', [name for name in {HEAVY} if name in sys.modules]); sys.exit(code)"
    )
    result = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    assert result.returncode == 0
    assert "HEAVY []" in result.stdout


def test_importing_the_package_is_cheap_too():
    program = f"import asr, sys; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"


def test_every_verb_has_help(capsys):
    verbs = [command.name for command in asr.cli.app.registered_commands]
    assert {"prepare", "validate", "features", "units", "train", "decode", "score", "transcribe"} <= set(verbs)
    for verb in verbs:
        assert run([verb, "--help"]) == 0
        assert "Usage" in capsys.readouterr().out


def test_unknown_verbs_and_options_are_usage_errors(capsys):
    assert run(["sing"]) == 2
    assert run(["train", "--loud"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def fail_with(monkeypatch, error):
    def raising(*_, **__):
        raise error

    monkeypatch.setattr(asr.cli, "app", raising)


def test_interruption_is_130(monkeypatch, capsys):
    fail_with(monkeypatch, KeyboardInterrupt())
    assert run(["train"]) == 130
    assert "what was finished is kept" in capsys.readouterr().err


@pytest.mark.slow
def test_a_real_interrupt_says_so_in_one_line():
    """A process of its own, stopped by SIGINT in the middle of a verb."""
    program = (
        "import time, asr.progress\n"
        "def work(verbose):\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
        "asr.progress.setup_logging = work\n"
        "from asr.__main__ import main\n"
        "main(['lm', 'info', 'x'])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test suite in the background inherits ignored interrupts; the program under test must not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 130
    assert log == "asr: error: interrupted; what was finished is kept\n"


def test_operating_system_errors_are_one_line(monkeypatch, capsys):
    fail_with(monkeypatch, OSError(13, "Permission denied", "/root/x"))
    assert run(["train"]) == 1
    assert capsys.readouterr().err == (
        "asr: error: /root/x: Permission denied; check the path and its permissions\n"
    )  # fmt: skip


def test_a_bug_is_one_line_unless_asked_for(monkeypatch, capsys):
    fail_with(monkeypatch, ZeroDivisionError("division by zero"))
    assert run(["train"]) == 1
    assert "internal: ZeroDivisionError: division by zero" in capsys.readouterr().err
    with pytest.raises(ZeroDivisionError):
        run(["--verbose", "train"])


def test_underscores_in_names_but_not_in_values():
    assert hyphenate("--beam_size=a_b") == "--beam-size=a_b"
    assert hyphenate("some_file") == "some_file"
