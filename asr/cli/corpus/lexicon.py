"""`asr lexicon`: how the words of texts, manifests or language models are said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections import Counter

    from asr.pronunciation.building import BuiltLexicon

SHOWN = 8


def lexicon(
    texts: Annotated[
        list[Path], typer.Argument(help="Texts (also packed), manifests (.jsonl), language models (folder or .arpa).")
    ],
    out: Annotated[Path, typer.Option(help="lexicon.txt to write.")],
    language: Annotated[
        str,
        typer.Option(help="As espeak-ng names it: en-us, de, fr ...; 'none' asks your dictionary only."),
    ] = "en-us",
    dictionary: Annotated[
        list[Path] | None, typer.Option(help="Your own pronunciations, WORD PHONE PHONE ... a line; asked first.")
    ] = None,
    units: Annotated[Path | None, typer.Option(help="units.txt of a model: its phones are the only ones.")] = None,
    rare: Annotated[int, typer.Option(help="A phone with fewer occurrences becomes the nearest other.", min=0)] = 100,
    least: Annotated[int, typer.Option(help="Words with fewer occurrences are left out.", min=1)] = 1,
    same_model: Annotated[
        Path | None,
        typer.Option("--like", help="Lexicon whose words are all kept as they are."),
    ] = None,
) -> None:
    """Pronounce words by your dictionary, CMUdict (English) or espeak-ng, whichever has the word first."""
    from collections import Counter

    from asr.pronunciation.building import Sources, build_lexicon
    from asr.pronunciation.lexicon import Lexicon
    from asr.units import Units

    counts = words_of(texts)
    kept = Counter({word: count for word, count in counts.items() if count >= least})
    given = [Lexicon.from_file(path) for path in [*([same_model] if same_model else []), *(dictionary or [])]]
    if same_model is not None:
        kept.update({word: 0 for word in given[0].words if word not in kept})
    inventory = Units.load(units).symbols[1:] if units is not None else None
    sources = Sources(given, "" if language == "none" else language)
    built = build_lexicon(kept, sources, inventory=inventory, rare=rare)
    built.lexicon.save(out)
    report(built, kept)
    print(f"{out}\t{len(built.lexicon.words)} words\t{len(built.lexicon.symbols())} phones")


def words_of(sources: list[Path]) -> Counter[str]:
    """Words of texts and manifests with their numbers, and of language models, each once."""
    from collections import Counter

    from asr.lm.files import load_lm
    from asr.pronunciation.building import count_words

    models = [path for path in sources if path.is_dir() or path.name.endswith((".arpa", ".arpa.gz"))]
    texts = [path for path in sources if path not in models]
    counts = count_words(texts) if texts else Counter()
    for path in models:
        for word in load_lm(path).words:
            if not (word.startswith("<") and word.endswith(">")):
                counts[word] += 0 if word in counts else 1
    return counts


def report(built: BuiltLexicon, counts: Counter[str]) -> None:
    """Say which source gave what, what was merged, and what was left out."""
    total = max(1, sum(counts.values()))
    for source, words in sorted(built.sources.items(), key=lambda pair: -len(pair[1])):
        running = sum(counts[word] for word in words)
        often = sorted(words, key=lambda word: (-counts[word], word))[:SHOWN]
        print(f"{source}\t{len(words)} words\t{100 * running / total:.1f} % of the text\t{' '.join(often)}")
    for line in built.merged.lines():
        print(f"merged\t{line}")
    several = sum(len(said) > 1 for said in built.lexicon.entries.values())
    print(f"variants\t{several} words are said in more than one way")
    if built.silent:
        print(f"left out\t{len(built.silent)} words that no source can say\t{' '.join(built.silent[:SHOWN])}")
