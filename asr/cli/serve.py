"""`asr serve`: a trained model for other programs and for a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asr.cli.options import Threads


def serve(
    model: Annotated[
        list[str] | None, typer.Option(help="Model folder, or NAME=FOLDER; may be repeated, the first is the default.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 is every network of this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8000,
    api_key_file: Annotated[Path | None, typer.Option(help="File of keys, one a line; requests then need one.")] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(help="Web site whose pages may use this server (CORS); may be repeated.")
    ] = None,
    max_upload_mb: Annotated[int, typer.Option(help="Largest request, MiB.", min=1)] = 512,
    max_audio_minutes: Annotated[float, typer.Option(help="Longest recording.", min=0.1)] = 240.0,
    max_waiting: Annotated[
        int, typer.Option(help="Requests that wait or are worked on; more get status 503.", min=1)
    ] = 64,
    threads: Threads = 0,
) -> None:
    """Serve OpenAI's transcription API, live streams (vosk, sherpa-onnx) and a page to speak into."""
    from asr.errors import MissingExtraError

    try:
        from asr.serving.run import read_keys, run_server
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("asr"):
            raise
        raise MissingExtraError(error.name, "server") from None
    from asr.serving.limits import Limits

    limits = Limits(upload_bytes=max_upload_mb * 2**20, audio_seconds=60 * max_audio_minutes, waiting=max_waiting)
    run_server(
        named_models(model or []), host, port, limits=limits, keys=read_keys(api_key_file), origins=allow_origin or [],
        threads=threads,
    )  # fmt: skip


def named_models(given: list[str]) -> dict[str, Path]:
    """Name -> folder; a folder without a name is called by its own, or its experiment's where that is `model`.

    Raises:
        UsageError: no model, or two of one name.
    """
    from asr.errors import UsageError

    models: dict[str, Path] = {}
    for each in given:
        name, equals, folder = each.partition("=")
        path = Path(folder if equals else each)
        if not equals:
            name = path.resolve().parent.name if path.resolve().name == "model" else path.resolve().name
        if name in models:
            raise UsageError("--model", f"names two models {name}", "write NAME=FOLDER")
        models[name] = path
    if not models:
        raise UsageError("--model", "is missing", "give the folder of a trained model")
    return models
