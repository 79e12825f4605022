"""What thousands of boosted phrases cost the beam search: milliseconds an utterance with and without them.

    python tools/bench/phrases.py                                  # made-up posteriors, characters and BPE
    python tools/bench/phrases.py LOGPROBS.npz --ref REF.trn --lm LM.arpa
    python tools/bench/phrases.py --quick --json rows.json         # within two minutes

One process, one thread, both decoders in turns over the whole set for several rounds, as in `decode.py`; the figure is
the median over utterances of processor time. The phrases have two or three words of the language model that the units
can spell, drawn at random; `--said` of them are pairs of words that are said somewhere in the set. pyctcdecode, where
it is installed, is given the same phrases as hotwords.

Rows: {"case", "system", "metric", "value", "unit"}; `ours, 3000 phrases` beside `ours`. `phrases_heard` is how
often one of them occurs in the texts found.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import tempfile
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import decode
from decode import Corpus, Row
from decode_peers import UNKNOWN_LOG10, System, Task
from rapidfuzz.distance import Levenshtein

from asr.decoding.beam import BeamDecoder, BeamOptions
from asr.decoding.knowledge.phrases import Phrases
from asr.errors import UnitsError
from asr.units import Units

BOOST = 3.0  # natural log


def main() -> None:
    """Measure and print one row a figure."""
    options = parse()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for corpus in decode.corpora(options, Path(folder)):
            boosts = dict.fromkeys(draw_phrases(corpus, options.phrases, options.said, options.seed), BOOST)
            for kind in options.kinds.split(","):
                case = f"{corpus.name}, {kind}, beam {options.beam}"
                rows += measure(case, decode.task_of(corpus, kind, options.beam, options), corpus, boosts)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def parse() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description="Time of the beam search with and without boosted phrases.")
    parser.add_argument("log_probs", type=Path, nargs="?", help="real log-probabilities instead of made-up ones")
    parser.add_argument("--ref", type=Path)
    parser.add_argument("--lm", type=Path, help="ARPA file")
    parser.add_argument("--units", type=Path, help="units.txt; else the one that the cache names")
    parser.add_argument("--name", help="of the case; else that of the file")
    parser.add_argument("--phrases", type=int, default=3000)
    parser.add_argument("--said", type=int, default=30, help="so many of the phrases are said in the set")
    parser.add_argument("--kinds", default="none,word LM")
    parser.add_argument("--beam", type=int, default=32)
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--beta", type=float, default=1.5)
    parser.add_argument("--token-threshold", type=float, default=-5.0)
    parser.add_argument("--beam-threshold", type=float, default=10.0)
    parser.add_argument("--utterances", type=int, help="only the first ones; default all, of made-up ones 20, quick 4")
    parser.add_argument("--seed", type=int, default=1, help="of the phrases and the made-up posteriors")
    parser.add_argument("--quick", action="store_true", help="fewer utterances")
    parser.add_argument("--json", type=Path, help="write the rows here")
    options = parser.parse_args()
    if options.log_probs and not (options.ref and options.lm):
        parser.error("LOGPROBS needs --ref and --lm")
    if options.quick:
        options.utterances = options.utterances or 4
    return options


def draw_phrases(corpus: Corpus, count: int, said: int, seed: int) -> list[str]:
    """So many different phrases, or as many as there are: some that are said, the others of any words."""
    draw = random.Random(seed)
    words = [word for word in sorted(corpus.lm.ids) if is_spelled(word, corpus.units)]
    known = set(words)
    pairs = sorted({
        " ".join(pair)
        for text in corpus.references.values()
        for pair in pairwise(text)
        if known.issuperset(pair)
    })  # fmt: skip
    phrases = dict.fromkeys(draw.sample(pairs, min(len(pairs), said)))
    for _ in range(20 * count):  # few words make few phrases: it must end all the same
        if len(phrases) >= count:
            break
        phrases[" ".join(draw.choices(words, k=draw.choice((2, 3))))] = None
    return list(phrases)


def is_spelled(word: str, units: Units) -> bool:
    """Whether a word of the language model is one that the units can write."""
    try:
        return bool(units.encode(word)) and units.decode(units.encode(word)) == word
    except UnitsError:
        return False


def measure(case: str, task: Task, corpus: Corpus, boosts: Mapping[str, float]) -> list[Row]:
    """Rows of one case."""
    found = systems(task, boosts)
    texts, times = decode.decode_in_turns(found, [log_probs for _, log_probs in corpus.utterances])
    references = [corpus.references[name] for name, _ in corpus.utterances]
    phrases = Phrases(boosts, task.units)
    rows = []
    for name in found:
        pairs = zip(references, texts[name], strict=True)
        errors = sum(Levenshtein.distance(reference, text.split()) for reference, text in pairs)
        figures = (
            ("ms_per_utterance", times[name], "ms"),
            ("times_without", times[name] / times[name.split(",")[0]], "x"),
            ("wer", 100.0 * errors / sum(map(len, references)), "%"),
            ("phrases_heard", float(sum(phrases.report(texts[name]).values())), "occurrences"),
        )
        rows += [{"case": case, "system": name, "metric": m, "value": v, "unit": u} for m, v, u in figures]
        print(f"{case:36} {name:26} " + "  ".join(f"{v:8.4g} {u}" for _, v, u in figures), flush=True)
    return rows


def systems(task: Task, boosts: Mapping[str, float]) -> dict[str, System]:
    """Decoders without and with the phrases, by name."""
    found = {"ours": ours(task, None), f"ours, {len(boosts)} phrases": ours(task, boosts)}
    if importlib.util.find_spec("pyctcdecode") is not None:
        found["pyctcdecode"] = pyctcdecode(task, [])
        found[f"pyctcdecode, {len(boosts)} phrases"] = pyctcdecode(task, list(boosts))
    return found


def ours(task: Task, boosts: Mapping[str, float] | None) -> System:
    options = BeamOptions(task.beam, task.token_threshold, task.beam_threshold, words=False)
    decoder = BeamDecoder(
        task.units, 0.04, options=options, weights=task.weights, lm=task.lm if task.kind != "none" else None,
        phrases=Phrases(boosts, task.units) if boosts else None,
    )  # fmt: skip
    return System(lambda log_probs: decoder.decode(log_probs)[0].text)


def pyctcdecode(task: Task, hotwords: list[str]) -> System:
    from pyctcdecode import build_ctcdecoder

    model = {"kenlm_model_path": task.arpa, "unigrams": task.words} if task.kind != "none" else {}
    decoder = build_ctcdecoder(task.labels(), alpha=task.alpha, beta=task.beta, unk_score_offset=UNKNOWN_LOG10, **model)
    pruning = {"beam_prune_logp": -task.beam_threshold, "token_min_logp": task.token_threshold}
    biased = {"hotwords": hotwords, "hotword_weight": BOOST} if hotwords else {}
    return System(lambda log_probs: decoder.decode(log_probs, beam_width=task.beam, **pruning, **biased))


if __name__ == "__main__":
    main()
