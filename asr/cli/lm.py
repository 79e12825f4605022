"""`asr lm`: language models: train, score, prune, convert, info."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="lm",
    help="Language models: train, score, prune, convert, describe.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Unit(str, Enum):
    """What a word of the language model is."""

    words = "words"
    characters = "characters"
    units = "units"


Model = Annotated[Path, typer.Argument(help="Language model: a folder of 'asr lm train', or an ARPA file.")]
Texts = Annotated[
    list[str], typer.Argument(help="Text (packed or not, - for stdin), manifest (.jsonl) or table (.csv).")
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder to write, or a file named .arpa or .arpa.gz.")]
Target = Annotated[Path, typer.Argument(help="Folder to write, or a file named .arpa or .arpa.gz.")]
UnitsFile = Annotated[Path | None, typer.Option("--units", help="units.txt of the acoustic model.")]


@app.command("train")
def train(
    texts: Texts,
    out: Out,
    order: Annotated[int, typer.Option(min=1, max=6, help="Length of the longest n-grams.")] = 4,
    unit: Annotated[Unit, typer.Option(help="What a word of the model is.")] = Unit.words,
    units: UnitsFile = None,
    prune: Annotated[float, typer.Option(min=0.0, help="Entropy pruning threshold, such as 1e-8.")] = 0.0,
    cutoffs: Annotated[
        str, typer.Option(help="Per order: n-grams seen at most this often are dropped, such as 0,0,1.")
    ] = "0",
    lstm: Annotated[bool, typer.Option("--lstm", help="Train an LSTM for rescoring instead; needs --dev.")] = False,
    dev: Annotated[list[str] | None, typer.Option(help="LSTM: held-out text, repeatable.")] = None,
    config: Annotated[Path | None, typer.Option(help="LSTM: YAML with its settings.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="LSTM: key=value, repeatable.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="LSTM: go on from the newest checkpoint.")] = False,
    device: Annotated[str, typer.Option(help="LSTM: cpu or cuda.")] = "cpu",
) -> None:
    """Train an interpolated modified Kneser-Ney model (the estimates of KenLM's lmplz), or an LSTM."""
    from asr.errors import UsageError
    from asr.units import Units

    if lstm and (prune or cutoffs != "0"):
        raise UsageError("--prune or --cutoffs", "is for n-gram models", "leave it out, or leave out --lstm")
    if not lstm and (dev or config or settings or resume):
        raise UsageError("--dev, --config, --set or --resume", "is for an LSTM", "add --lstm, or leave it out")
    inventory = Units.load(units) if units else None
    if lstm:
        from asr.training.lstm_lm import load_lm_config, train_from_texts

        chosen = load_lm_config(config, settings or [], unit.value)
        perplexity = train_from_texts(texts, dev or [], chosen, out, inventory, resume, device)
        print(f"{out}\tLSTM\tdev perplexity {perplexity:.4f}")
        return
    from asr.lm.training import train_lm

    tables = train_lm(texts, out, order, unit.value, inventory, prune, _numbers(cutoffs))
    print(f"{out}\torder {tables.order}\t{' '.join(str(len(table)) for table in tables.orders)} n-grams")


@app.command("score")
def score(
    model: Annotated[Path, typer.Argument(help="Folder of 'asr lm train', ARPA file, or KenLM binary.")],
    texts: Texts,
    units: UnitsFile = None,
    summary: Annotated[bool, typer.Option("--summary", help="Print the totals only.")] = False,
) -> None:
    """Print log10 probability, unknown words and text of each sentence, then the perplexity."""
    from asr.lm.perplexity import SentenceScore, total
    from asr.lm.training import score_lm
    from asr.units import Units

    def shown(sentence: SentenceScore) -> SentenceScore:
        if not summary:
            print(f"{sentence.log10_prob:.6f}\t{sentence.unknown}\t{' '.join(sentence.sentence)}")
        return sentence

    result = total(map(shown, score_lm(model, texts, Units.load(units) if units else None)))
    print(f"sentences {result.sentences}\twords {result.words} (sentence ends included)\tunknown {result.unknown}")
    print(f"log10 probability {result.log10_prob:.4f}")
    print(f"perplexity {result.perplexity:.4f}\tof known words {result.perplexity_of_known:.4f}")


@app.command("prune")
def prune(
    model: Model,
    out: Target,
    threshold: Annotated[float, typer.Option(min=0.0, help="Relative rise of perplexity under which an n-gram goes.")],
) -> None:
    """Drop the n-grams that matter least (Stolcke's entropy pruning, as SRILM's -prune)."""
    from asr.lm.training import prune_lm

    tables = prune_lm(model, out, threshold)
    print(f"{out}\torder {tables.order}\t{' '.join(str(len(table)) for table in tables.orders)} n-grams")


@app.command("convert")
def convert(
    model: Model, out: Target, unit: Annotated[Unit, typer.Option(help="What a word of the ARPA file is.")] = Unit.words
) -> None:
    """Turn an ARPA file into the folder that decoding loads in milliseconds, or back."""
    from asr.lm.training import convert_lm

    tables = convert_lm(model, out, unit.value)
    print(f"{out}\torder {tables.order}\t{' '.join(str(len(table)) for table in tables.orders)} n-grams")


@app.command("info")
def info(
    model: Model,
    units: UnitsFile = None,
    lexicon: Annotated[Path | None, typer.Option(help="Word list or pronunciations.")] = None,
) -> None:
    """Print order, unit, vocabulary, n-grams and size; with --units, check that they fit the acoustic model."""
    from asr.decoding.knowledge.vocabulary import check_lm
    from asr.lm.training import describe_lm

    found = describe_lm(model)
    print(f"order {found.order}\nunit {found.unit}\nwords {found.words}")
    for order, count in enumerate(found.ngrams, start=1):
        print(f"{order}-grams {count}")
    print(f"contexts {sum(found.contexts)}\nbytes {found.bytes}")
    if units:
        report = check_lm(model, units, lexicon)
        print(f"words outside the units {len(report.unspellable)}\nunits outside the model {len(report.unit_misses)}")
        print(f"lexicon words outside the model {len(report.lexicon_misses)} of {report.lexicon_words}")


@app.command("rescore")
def rescore(
    nbest: Annotated[Path, typer.Argument(help="N-best lists (JSONL).")],
    lstm: Annotated[Path, typer.Option(help="LSTM language model.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Rescored lists to write; 'asr score -h' reads them.")],
    ngram_weight: Annotated[float, typer.Option(help="Weight of the n-gram score that the lists carry.")] = 0.5,
    lstm_weight: Annotated[float, typer.Option(help="Weight of the LSTM's score.")] = 0.5,
    beta: Annotated[float, typer.Option(help="Bonus for each word.")] = 0.0,
    tune_nbest: Annotated[Path | None, typer.Option(help="Choose the weights on these lists; with --manifest.")] = None,
    manifest: Annotated[Path | None, typer.Option(help="Manifest with the texts of --tune-nbest.")] = None,
    units: UnitsFile = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Sort n-best lists anew with an LSTM language model."""
    from asr.decoding.tuning.nbest_files import rescore_file, tune_file
    from asr.decoding.tuning.rescoring import RescoringWeights
    from asr.errors import UsageError
    from asr.units import Units

    inventory = Units.load(units) if units else None
    weights = RescoringWeights(ngram_weight, lstm_weight, beta)
    if (tune_nbest is None) != (manifest is None):
        raise UsageError("--tune-nbest", "and --manifest go together", "give both, or neither")
    if tune_nbest and manifest:
        from asr.corpus.manifest import read_manifest

        references = {utterance.id: utterance.text for utterance in read_manifest(manifest)}
        tuned = tune_file(tune_nbest, lstm, references, inventory, device)
        weights = tuned.weights
        print(f"tuned\t{tuned.errors} of {tuned.reference_words} words wrong, before {tuned.errors_before}")
        print(
            f"chosen\tin the middle of {tuned.alike} settings within one standard error of the fewest, {tuned.fewest}"
        )
    count = rescore_file(nbest, lstm, out, weights, inventory, device)
    print(f"{out}\t{count} lists\tngram {weights.ngram:g} lstm {weights.lstm:g} beta {weights.beta:g}")


def _numbers(text: str) -> list[int]:
    from asr.errors import UsageError

    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError("--cutoffs", f"is {text!r}", "give whole numbers separated by commas, such as 0,0,1") from None
