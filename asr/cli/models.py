"""`asr models`: the models that go by name, and fetching another."""

from __future__ import annotations

from typing import Annotated

import typer


def models(
    source: Annotated[
        str | None,
        typer.Argument(help="Fetch this one: URL of a tar archive, or OWNER/NAME of the Hugging Face hub."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name for the fetched model.")] = None,
    sha256: Annotated[str, typer.Option(help="What the archive's SHA-256 must be.")] = "",
) -> None:
    """List the models that can be given by name, or fetch one."""
    from asr.errors import UsageError
    from asr.transcribing.models import fetch_model, installed, places

    if source is not None:
        print(fetch_model(source, name, sha256))
        return
    for option, given in (("--name", name), ("--sha256", sha256)):
        if given:
            raise UsageError(option, "is for fetching a model", "say which: asr models SOURCE")
    for model in installed():
        print(f"{model.name}\t{model.size / 1e6:.1f} MB\t{model.directory}\t{model.about}")
    if not installed():
        typer.echo(f"no models in {', '.join(map(str, places()))}", err=True)
