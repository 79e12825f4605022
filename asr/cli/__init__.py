"""`asr <verb>`: each verb parses, calls one function of the library, prints, and exits. No heavy import at the top."""

from __future__ import annotations

import typer

from asr.cli.align import align
from asr.cli.corpus.convert import convert
from asr.cli.corpus.download import download
from asr.cli.corpus.features import features
from asr.cli.corpus.lexicon import lexicon
from asr.cli.corpus.prepare import prepare
from asr.cli.corpus.shard import shard
from asr.cli.corpus.units import units
from asr.cli.corpus.validate import validate
from asr.cli.decode import decode
from asr.cli.doctor import doctor
from asr.cli.explain import explain
from asr.cli.export import export
from asr.cli.lm import app as lm_app
from asr.cli.models import models
from asr.cli.score import CONTEXT as SCORE_CONTEXT
from asr.cli.score import score
from asr.cli.serve import serve
from asr.cli.training.check import app as check_app
from asr.cli.training.train import average, train
from asr.cli.transcribe import transcribe
from asr.cli.tune import tune
from asr.cli.whisper import WhisperCommand


def hyphenated(name: str) -> str:
    """`--beam-size` for `--beam_size`; names of options alone come here, not their values or what follows `--`."""
    return name.replace("_", "-")


app = typer.Typer(
    name="asr",
    help="Train a speech recogniser on your own recordings, transcribe with it, and score it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "token_normalize_func": hyphenated},
)


@app.callback()
def _common(verbose: bool = typer.Option(False, "--verbose", help="Log more.")) -> None:
    from asr.progress import setup_logging

    setup_logging(verbose)


app.command("download")(download)
app.command("prepare")(prepare)
app.command("validate")(validate)
app.command("convert")(convert)
app.command("score", context_settings=SCORE_CONTEXT)(score)
app.command("features")(features)
app.command("shard")(shard)
app.command("lexicon")(lexicon)
app.command("units")(units)
app.add_typer(check_app, name="check")
app.command("train")(train)
app.command("average")(average)
app.command("decode")(decode)
app.command("tune")(tune)
app.command("transcribe", cls=WhisperCommand)(transcribe)
app.command("serve")(serve)
app.add_typer(lm_app, name="lm")
app.command("align")(align)
app.command("explain")(explain)
app.command("models")(models)
app.command("doctor")(doctor)
app.command("export")(export)
