"""`asr doctor`: what is installed, whether it works, and what to do where it does not."""

from __future__ import annotations

import typer

from asr.cli.options import Verbose


def doctor(verbose: Verbose = False) -> None:
    """Versions, devices, audio, compiled code, models and a self-test; exit code 1 when transcribing will not work."""
    from asr.transcribing.inspection.doctor import examine

    bad = 0
    for check in examine():
        print(check.line(), flush=True)
        bad += check.state == "bad"
    raise typer.Exit(1 if bad else 0)
