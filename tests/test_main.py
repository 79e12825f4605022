"""The command: exit codes, one-line errors, quick help without heavy imports."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import asr.cli
from asr.__main__ import run

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


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--frame_seconds", "0.03", "a_b.jsonl"], "a_b.jsonl"),
        (["--frame_seconds=0.03", "a_b.jsonl"], "a_b.jsonl"),
        (["--", "--my_file.jsonl"], "--my_file.jsonl"),
        (["--frame-seconds", "0.03", "--", "--a_b"], "--a_b"),
    ],
)
def test_underscores_in_names_but_not_in_values_or_behind_two_hyphens(arguments, expected, capsys):
    assert run(["validate", *arguments]) == 1
    assert f"asr: error: {expected}" in capsys.readouterr().err


def test_values_of_options_are_left_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["validate", "m.jsonl", "--units", "--my_units"]) == 1
    assert "asr: error: --my_units" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["transcribe", "", "--model", "m"], "argument 2"),
        (["transcribe", "a.wav", "--model", ""], "the value of --model"),
        (["transcribe", "a.wav", "--model", "m", "-o", ""], "the value of -o"),
        (["prepare", "own", "--folder=", "--out", "d"], "the value of --folder"),
        ([""], "argument 1"),
    ],
)
def test_nothing_is_not_the_current_folder(arguments, what, capsys):
    assert run(arguments) == 2
    assert capsys.readouterr().err == f"asr: error: {what} is empty; was a variable meant that holds nothing?\n"


def in_shell(line, *arguments, code="from asr.__main__ import main; main(sys.argv[1:])", **variables):
    """A process of its own, whose standard streams the shell line rearranges."""
    program = f"import sys; sys.argv[1:1] = {list(arguments)!r}; {code}"
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(asr.cli.__file__).parents[2]), **variables}
    command = ["sh", "-c", f'"$0" -c "$1" {line}', sys.executable, program]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


@pytest.mark.parametrize(
    ("line", "code", "log"),
    [
        (">&-", 1, "asr: error: standard output: is closed; open it, or send it to /dev/null\n"),
        (">/dev/full", 1, "no space left on the device"),
        ("2>&-", 0, ""),
        ("| head -c 1 >/dev/null; exit 0", 0, ""),
    ],
)
def test_closed_and_full_streams_are_one_line(line, code, log):
    result = in_shell(line, "--help")
    assert result.returncode == code
    assert log in result.stderr
    assert len(result.stderr.splitlines()) == (1 if log else 0)


def test_a_closed_input_is_one_line(tmp_path):
    work = "import asr.__main__ as m; m._mend_streams(); sys.stdin.buffer.read()"
    result = in_shell("<&-", code=work)
    assert "standard input" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("encoding", "bytes_out"),
    [("ascii", "ü日"), ("utf-8:strict", "ü日"), ("latin-1", None), ("", "ü日")],
)
def test_no_terminal_fails_on_a_letter(encoding, bytes_out):
    work = "from asr.__main__ import _mend_streams; _mend_streams(); print('ü日'); print(chr(0xDCE9), file=sys.stderr)"
    variables = {"PYTHONIOENCODING": encoding} if encoding else {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    program = f"import sys; {work}".replace("ü日", "\\u00fc\\u65e5")
    environment = {"PYTHONPATH": str(Path(asr.cli.__file__).parents[2]), "PYTHONUTF8": "0", **variables}
    result = subprocess.run([sys.executable, "-X", "utf8=0", "-c", program], capture_output=True, env=environment)
    assert result.returncode == 0, result.stderr
    assert result.stdout == (f"{bytes_out}\n".encode() if bytes_out else b"\xfc\\u65e5\n")
    assert result.stderr in (b"\xe9\n", b"\\udce9\n")


def test_being_terminated_leaves_no_temporary_file(tmp_path):
    """A process of its own, stopped by SIGTERM while it writes."""
    program = (
        "import sys, time, asr.cli\n"
        "from pathlib import Path\n"
        "from asr.files import atomic_write\n"
        "def work(**_):\n"
        "    with atomic_write('out.txt') as stream:\n"
        "        print('ready', flush=True)\n"
        "        time.sleep(60)\n"
        "asr.cli.app = work\n"
        "from asr.__main__ import main\n"
        "main(['x'])\n"
    )
    environment = {"PYTHONPATH": str(Path(asr.cli.__file__).parents[2])}
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert list(tmp_path.iterdir()) == []
