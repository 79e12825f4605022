"""N-best lists on disk, and rescoring them.

One JSON object an utterance, the readings best first, the scores in natural logarithms:

    {"id": ..., "nbest": [{"text": ..., "score": ..., "acoustic_score": ..., "lm_score": ...}, ...]}

`asr score` reads the same file and takes the first reading.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from asr.decoding.results.hypothesis import Hypothesis
from asr.decoding.tuning.rescoring import RescoringWeights, TunedWeights, lstm_scores, rescore, tune_weights
from asr.errors import DecodingError
from asr.files import atomic_write
from asr.lm.text import Tokenizer, tokenizer_for
from asr.units import Units

NBest = dict[str, list[Hypothesis]]
SCORES = ("score", "acoustic_score", "lm_score")


def write_nbest(path: str | Path, lists: Iterable[tuple[str, Sequence[Hypothesis]]]) -> None:
    """Write (utterance id, readings) pairs, one a line."""
    with atomic_write(path) as stream:
        for key, readings in lists:
            rows = [{"text": r.text, **{name: getattr(r, name) for name in SCORES}} for r in readings]
            stream.write(json.dumps({"id": key, "nbest": rows}, ensure_ascii=False) + "\n")


def read_nbest(path: str | Path) -> NBest:
    """Utterance id -> readings, best first.

    Raises:
        DecodingError: missing file, or a line that is not an n-best list, an empty one or of an id seen before.
    """
    lists: NBest = {}
    remedy = "write it with 'asr decode --nbest'"
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DecodingError(path, f"cannot be read ({error})", remedy) from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            key, rows = str(record["id"]), record["nbest"]
            readings = [_reading(row) for row in rows]
        except (ValueError, KeyError, TypeError) as error:
            raise DecodingError(path, f"line {number} is not an n-best list ({error!r})", remedy) from None
        if not readings or key in lists:
            raise DecodingError(path, f"line {number} has no readings, or an id that came before ({key})", remedy)
        lists[key] = readings
    return lists


def _reading(row: dict[str, Any]) -> Hypothesis:
    score, acoustic, lm = (float(row[name]) for name in SCORES)
    return Hypothesis(str(row["text"]), score, acoustic_score=acoustic, lm_score=lm)


def rescore_file(
    nbest: str | Path,
    model: str | Path,
    out: str | Path,
    weights: RescoringWeights,
    units: Units | None = None,
    device: str = "cpu",
) -> int:
    """Rescore every list of a file with an LSTM language model and write them best first; returns their number."""
    lists = read_nbest(nbest)
    scores = _scores(lists, model, units, device)
    pairs = zip(lists.items(), scores, strict=True)
    write_nbest(out, [(key, rescore(readings, lstm, weights)) for (key, readings), lstm in pairs])
    return len(lists)


def tune_file(
    nbest: str | Path,
    model: str | Path,
    references: Mapping[str, str],
    units: Units | None = None,
    device: str = "cpu",
) -> TunedWeights:
    """Choose weights on the n-best lists of a dev set.

    Args:
        nbest: file of the lists.
        model: folder of the LSTM language model.
        references: utterance id -> what was said.
        units: for models over units.
        device: where the model runs.

    Raises:
        DecodingError: a list without a reference.
    """
    lists = read_nbest(nbest)
    lacking = [key for key in lists if key not in references]
    if lacking:
        reason = f"{len(lacking)} of {len(lists)} utterances have no reference ({lacking[0]}, ...)"
        raise DecodingError(nbest, reason, "give the manifest of the set that was decoded")
    return tune_weights(list(lists.values()), _scores(lists, model, units, device), [references[key] for key in lists])


def _scores(lists: NBest, model: str | Path, units: Units | None, device: str) -> list[list[float]]:
    from asr.lm.lstm import LstmLanguageModel  # brings torch, which decoding does without

    lm = LstmLanguageModel.load(model, device)
    tokenize: Tokenizer = tokenizer_for(lm.unit, units)
    return lstm_scores(list(lists.values()), lm, tokenize)
