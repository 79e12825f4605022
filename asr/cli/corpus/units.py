"""`asr units`: the inventory of units of a training text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def units(
    manifest: Annotated[Path, typer.Argument(help="Training manifest; its texts define the units.")],
    out: Annotated[Path, typer.Option(help="units.txt to write.")],
    config: Annotated[Path | None, typer.Option(help="YAML configuration; section 'units' is used.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="section.key=value, repeatable.")] = None,
    lexicon: Annotated[
        Path | None, typer.Option(help="Phones: pronunciations of the words; lexicon.txt beside units.txt otherwise.")
    ] = None,
) -> None:
    """Collect characters, words, BPE pieces or phones from a manifest."""
    from asr.config.experiment import load_config
    from asr.corpus.manifest import load_manifest
    from asr.units import LEXICON, build_units

    texts = (utterance.text for utterance in load_manifest(manifest))
    inventory = build_units(texts, load_config(config, settings or []).units, lexicon or out.parent / LEXICON)
    inventory.save(out)
    print(f"{out}\t{len(inventory)} units")
