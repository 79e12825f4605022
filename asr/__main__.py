"""Entry point of the `asr` command: turns failures into one line and an exit code.

Exit codes: 0 all good, 1 some inputs failed, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import errno
import sys

from asr.errors import AsrError

TRAINING_PACKAGES = ("torch", "torchaudio", "librosa", "matplotlib", "tensorboard", "onnx", "jinja2", "jiwer")
INTERRUPTED, INTERRUPTED_CODE = "interrupted; what was finished is kept", 130


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; failures are printed on stderr as one line."""
    from asr.cli import app

    try:
        code = app(args=[hyphenate(argument) for argument in arguments], standalone_mode=False)
    except AsrError as error:
        return _fail(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in TRAINING_PACKAGES or "--verbose" in arguments:
            raise
        return _fail(f"'asr {' '.join(arguments[:1])}' needs {error.name}: pip install asr, with all it depends on", 1)
    except KeyboardInterrupt:
        return _fail(INTERRUPTED, INTERRUPTED_CODE)
    except BrokenPipeError:
        sys.stderr.close()
        return 0
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


def hyphenate(argument: str) -> str:
    """Accept `--beam_size` for `--beam-size`; values after "=" are left alone."""
    if not argument.startswith("--"):
        return argument
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value


def _fail(message: str, code: int) -> int:
    print(f"asr: error: {message}", file=sys.stderr)
    return code


def _describe(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return f"{error.filename or 'output'}: no space left on the device; free some and run the command again"
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
