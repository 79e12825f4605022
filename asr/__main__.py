"""Entry point of the `asr` command: turns failures into one line and an exit code.

Exit codes: 0 all good, 1 some inputs failed, 2 usage, 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import Any

from asr.errors import AsrError

TRAINING_PACKAGES = ("torch", "torchaudio", "librosa", "matplotlib", "tensorboard", "onnx", "jinja2", "jiwer")
INTERRUPTED, INTERRUPTED_CODE = "interrupted; what was finished is kept", 130
TERMINATED_CODE = 143


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    _mend_streams()
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, _terminate)
    code = run(sys.argv[1:] if arguments is None else arguments)
    sys.exit(_flushed(code))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; failures are printed on stderr as one line."""
    from asr.cli import app

    empty = _empty(arguments)
    if empty is not None:
        return _fail(f"{empty} is empty; was a variable meant that holds nothing?", 2)
    try:
        code = app(args=arguments, standalone_mode=False)
    except AsrError as error:
        return _fail(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in TRAINING_PACKAGES or "--verbose" in arguments:
            raise
        return _fail(f"'asr {' '.join(arguments[:1])}' needs {error.name}: pip install asr, with all it depends on", 1)
    except KeyboardInterrupt:
        return _fail(INTERRUPTED, INTERRUPTED_CODE)
    except BrokenPipeError:
        return _reader_gone()
    except OSError as error:
        return _fail(_describe(error), 1)
    except Exception as error:
        code = _click_exit_code(error)
        if code is None:
            if "--verbose" in arguments:
                raise
            return _fail(f"internal: {type(error).__name__}: {error}; run 'asr --verbose ...' for the traceback", 1)
    if code == INTERRUPTED_CODE:  # typer turns the interrupt into an exit of its own
        return _fail(INTERRUPTED, INTERRUPTED_CODE)
    return code if isinstance(code, int) else 0


def _empty(arguments: list[str]) -> str | None:
    """What is empty among some arguments: "" would be taken for the current folder."""
    for place, argument in enumerate(arguments):
        if argument == "":
            before = arguments[place - 1] if place else ""
            return f"the value of {before}" if before.startswith("-") else f"argument {place + 1}"
        if argument.startswith("--") and argument.endswith("=") and argument.count("=") == 1:
            return f"the value of {argument[:-1]}"
    return None


def _terminate(number: int, frame: FrameType | None) -> None:
    """Leave by way of every `finally`, so that no temporary file stays behind."""
    raise SystemExit(TERMINATED_CODE)


class _Closed(io.RawIOBase):
    """Stands for a standard stream that was closed when the program began; only using it is an error."""

    def __init__(self, name: str) -> None:
        self._name = name

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        raise OSError(errno.EBADF, "is closed", self._name)

    def write(self, data: Any) -> int:
        raise OSError(errno.EBADF, "is closed", self._name)


def _mend_streams() -> None:
    """Make the standard streams fit to be used: none is missing, and none fails on a letter.

    A closed one keeps its number, or the next file to be opened would get it and be written into. Names that are not
    UTF-8 come out as the bytes they are. Where the terminal says it knows ASCII only, as in plain C locales, UTF-8 is
    written; to other encodings letters that they lack are escaped.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(_Closed("standard input")))
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(_Closed("standard output"), write_through=True)  # type: ignore[arg-type]
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 (nobody hears it)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            encoding = (stream.encoding or "ascii").lower()
            if encoding.replace("-", "").replace("_", "") in ("ascii", "usascii", "ansix3.41968", "646", "utf8"):
                stream.reconfigure(encoding="utf-8", errors="surrogateescape")
            else:
                stream.reconfigure(errors="backslashreplace")


def _flushed(code: int) -> int:
    """The exit code, after what is still to be written was."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_gone()
    except OSError as error:
        _discard_output()
        return code or _fail(_describe(error), 1)
    return code


def _reader_gone() -> int:
    """Whoever read our output has enough of it, as `head` does."""
    _discard_output()
    return 0


def _discard_output() -> None:
    """Let nothing be left to flush when Python ends."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _fail(message: str, code: int) -> int:
    with suppress(OSError):
        print(f"asr: error: {message}", file=sys.stderr)
    return code


def _describe(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"{error.filename or 'output'}: no space left on the device; free some and run the command again"
    if error.errno == errno.EBADF and isinstance(error.filename, str):
        return f"{error.filename}: is closed; open it, or send it to /dev/null"
    return f"{error.filename or 'input/output'}: {error.strerror or error}; check the path and its permissions"


def _click_exit_code(error: Exception) -> int | None:
    """Exit code of a command-line exception, after showing it; None for anything else.

    typer carries a copy of click of its own in some versions, so usage errors are known by what they can do.
    """
    import typer

    if isinstance(error, typer.Exit):
        return int(error.exit_code)
    if isinstance(error, typer.Abort):
        return _fail(INTERRUPTED, INTERRUPTED_CODE)
    show, code = getattr(error, "show", None), getattr(error, "exit_code", None)
    if callable(show) and isinstance(code, int):
        show()
        return code
    return None


if __name__ == "__main__":
    main()
