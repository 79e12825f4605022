"""The batched search in torch: its readings and scores are those of the compiled search and of exhaustive search."""

import itertools
import math
from collections import defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decoding.beam import BeamDecoder, BeamOptions
from asr.decoding.beam_torch import BatchedBeamDecoder, likely_units
from asr.decoding.knowledge.tables import Weights
from asr.errors import DecodingError
from asr.lm.automaton import build_model
from asr.lm.kneser_ney import train_ngrams
from asr.lm.text import split_characters
from asr.units import BLANK_SYMBOL, Units

CHARACTERS = Units("characters", [BLANK_SYMBOL, " ", *"abcd"])
WORDS = Units("words", [BLANK_SYMBOL, "<unk>", "one", "two", "six"])
TEXT = ["ab ba cab", "bac cab a", "cab ab ab", "acc cab bab a", "a bab cac"]  # no d: an unknown unit
CHARACTER_LM = build_model(train_ngrams([split_characters(line) for line in TEXT * 3], order=4, unit="characters"))
WORD_LM = build_model(train_ngrams([["one", "two", "six"], ["two", "one"], ["six", "one", "two"]] * 3, order=2))
PIECES = Units("bpe", [BLANK_SYMBOL, "<unk>", "▁", "▁a", "b", "▁ab", "c", "a", "d"], b"unused")
MODES = {
    "no model": (CHARACTERS, None),
    "characters": (CHARACTERS, CHARACTER_LM),
    "words": (WORDS, WORD_LM),
    "pieces": (PIECES, None),
}
WEIGHTS = Weights(0.8, 0.4, 2.0)


def random_log_probs(frames: int, size: int, seed: int, sharpness: float = 3.0) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0.0, sharpness, (frames, size))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def with_silence(log_probs: np.ndarray) -> np.ndarray:
    """The same with many spaces, of which several follow each other."""
    logits = log_probs.astype(np.float64)
    logits[:, CHARACTERS.space] += 4.0
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def padded(rows: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch whose padding is NaN: nobody may look at it."""
    tensors = [torch.from_numpy(row) for row in rows]
    batch = torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=math.nan)
    return batch, torch.tensor([len(row) for row in rows])


def decoders(mode: str, options: BeamOptions) -> tuple[BatchedBeamDecoder, BeamDecoder]:
    units, lm = MODES[mode]
    return (
        BatchedBeamDecoder(units, 0.04, options=options, weights=WEIGHTS, lm=lm),
        BeamDecoder(units, 0.04, options=options, weights=WEIGHTS, lm=lm),
    )


def assert_same(found, expected):
    assert [h.text for h in found] == [h.text for h in expected]
    assert [h.tokens for h in found] == [h.tokens for h in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-4)
        assert one.acoustic_score == pytest.approx(other.acoustic_score, abs=1e-4)
        assert one.lm_score == pytest.approx(other.lm_score, abs=1e-4)
        assert [(w.text, w.start, w.end) for w in one.words] == [(w.text, w.start, w.end) for w in other.words]
        assert [w.confidence for w in one.words] == pytest.approx([w.confidence for w in other.words], abs=1e-4)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("beam", "token_threshold", "beam_threshold"), [(3, -3.0, 5.0), (8, -2.0, 50.0), (16, -9.0, 12.0)]
)
def test_a_batch_gives_what_the_compiled_search_gives(mode, beam, token_threshold, beam_threshold):
    options = BeamOptions(beam, token_threshold, beam_threshold, nbest=3)
    batched, compiled = decoders(mode, options)
    rows = [random_log_probs(frames, len(MODES[mode][0]), frames) for frames in (40, 1, 25, 0, 40, 13)]
    found = batched.decode_batch(*padded(rows))
    for row, hypotheses in zip(rows, found, strict=True):
        assert_same(hypotheses, compiled.decode(row))


@pytest.mark.parametrize("mode", ["no model", "characters"])
@pytest.mark.parametrize("beam", [2, 8, 24])
def test_doubled_spaces_are_read_as_in_the_compiled_search(mode, beam):
    batched, compiled = decoders(mode, BeamOptions(beam, nbest=3))
    rows = [with_silence(random_log_probs(frames, len(CHARACTERS), frames)) for frames in (40, 1, 25, 6, 13)]
    for row, hypotheses in zip(rows, batched.decode_batch(*padded(rows)), strict=True):
        assert_same(hypotheses, compiled.decode(row))


def test_a_space_after_a_space_and_before_the_first_word_is_not_heard():
    probs = np.full((7, len(CHARACTERS)), 1e-6)
    probs[range(7), [1, 0, 2, 1, 0, 1, 3]] = 1.0  # " ", blank, "a", " ", blank, " ", "b"
    log_probs = np.log(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)
    (found,) = BatchedBeamDecoder(CHARACTERS, 0.04, options=BeamOptions(8)).decode(log_probs)
    assert found.tokens == [2, 1, 3]
    assert math.exp(found.score) == pytest.approx(1.0, abs=1e-4)


def test_a_text_of_pieces_has_the_probability_of_all_its_spellings():
    probs = np.full((2, len(PIECES)), 1e-9)
    probs[0, [3, 5, 7]] = 0.3, 0.4, 0.3  # "▁a", "▁ab", "a"
    probs[1, [0, 4]] = 0.45, 0.55  # blank, "b"
    log_probs = np.log(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)
    options = BeamOptions(8, nbest=3, words=False)
    found = BatchedBeamDecoder(PIECES, 0.04, options=options).decode(log_probs)
    assert [h.text for h in found] == ["ab", "a", "abb"]  # the best path alone reads "abb"
    assert [math.exp(h.score) for h in found] == pytest.approx(
        [0.6 * 0.55 + 0.4 * 0.45, 0.6 * 0.45, 0.4 * 0.55], abs=1e-4
    )


@settings(max_examples=30, deadline=None)
@given(
    mode=st.sampled_from(["no model", "characters", "pieces"]), seed=st.integers(0, 10**6), frames=st.integers(0, 30),
    sharpness=st.sampled_from([0.1, 1.0, 4.0]), beam=st.integers(1, 12),
)  # fmt: skip
def test_any_input_and_width_gives_the_same_best_reading(mode, seed, frames, sharpness, beam):
    batched, compiled = decoders(mode, BeamOptions(beam, words=False))
    log_probs = random_log_probs(frames, len(MODES[mode][0]), seed, sharpness)
    (one,), (other,) = batched.decode(log_probs), compiled.decode(log_probs)
    assert one.score == pytest.approx(other.score, abs=1e-4)
    assert one.text == other.text


def exhaustive(log_probs: np.ndarray, mode: str) -> dict[str, float]:
    """Score of every text: the sum over its spellings, or, where a model weighs every unit, that of the best."""
    units, lm = MODES[mode]
    masses: dict[tuple[int, ...], float] = defaultdict(float)
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        reading = tuple(unit for unit, _ in itertools.groupby(path) if unit)
        masses[reading] += math.exp(log_probs[np.arange(len(path)), path].sum())
    found: dict[str, float] = {}
    for reading, mass in masses.items():
        score = math.log(mass)
        if lm is not None:
            symbols = ["<space>" if units.symbols[unit] == " " else units.symbols[unit] for unit in reading]
            unknown = sum(symbol not in lm.ids or symbol == "<unk>" for symbol in symbols)
            score += WEIGHTS.alpha * lm.score(symbols) + WEIGHTS.beta * len(symbols)
            score -= WEIGHTS.unknown_penalty * unknown
        text = units.decode(reading)
        before = found.get(text, -math.inf)
        found[text] = np.logaddexp(before, score) if lm is None else max(before, score)
    return found


@pytest.mark.parametrize("mode", MODES)
def test_small_cases_equal_exhaustive_search(mode):
    units, lm = MODES[mode]
    options = BeamOptions(500, -1e9, 1e3, nbest=3, words=False)
    decoder = BatchedBeamDecoder(units, 1.0, options=options, weights=WEIGHTS, lm=lm)
    frames = 4 if len(units) <= 6 else 3  # so that all prefixes have a place
    rows = [random_log_probs(1 + seed % frames, len(units), seed, [0.5, 2.0, 5.0][seed % 3]) for seed in range(60)]
    for row, found in zip(rows, decoder.decode_batch(*padded(rows)), strict=True):
        expected = exhaustive(row.astype(np.float64), mode)
        top = sorted(expected.values(), reverse=True)[:3]
        assert [h.score for h in found] == pytest.approx(top, abs=1e-4)
        assert [expected[h.text] for h in found] == pytest.approx(top, abs=1e-4)


def test_long_utterances_keep_their_precision():
    batched, compiled = decoders("characters", BeamOptions(16, words=False))
    log_probs = random_log_probs(2000, len(CHARACTERS), 4, sharpness=0.5)
    (one,), (other,) = batched.decode(log_probs), compiled.decode(log_probs)
    assert one.score == pytest.approx(other.score, rel=1e-6)
    assert one.text == other.text


def test_the_batch_changes_nothing():
    batched, _ = decoders("characters", BeamOptions(8, nbest=2))
    rows = [random_log_probs(frames, len(CHARACTERS), frames) for frames in range(1, 20, 3)]
    alone = [batched.decode(row) for row in rows]
    for order in (slice(None), slice(None, None, -1)):
        for found, expected in zip(batched.decode_batch(*padded(rows[order])), alone[order], strict=True):
            assert_same(found, expected)


def test_a_frame_without_likely_units_tries_the_likeliest_unless_it_is_the_blank():
    frames = np.full((2, 6), -30.0, np.float32)
    frames[0, 3], frames[1, 0] = -20.0, -10.0  # not probabilities: only the choice of units is looked at
    log_probs = torch.from_numpy(frames)[None]
    tokens, tried, counts = likely_units(log_probs, torch.tensor([2]), -5.0)
    assert counts == [1, 1]
    assert tokens[0, 0, 0] == 3
    assert tried[0, :, 0].tolist() == [True, False]


def test_many_units_below_the_threshold_are_as_in_the_compiled_search():
    units = Units("words", [BLANK_SYMBOL, "<unk>", *(f"w{n}" for n in range(300))])
    options = BeamOptions(8, token_threshold=-4.0, words=False)
    log_probs = random_log_probs(15, len(units), 1, sharpness=0.3)  # every unit is near 1 / 302, log -5.7
    (one,) = BatchedBeamDecoder(units, 0.04, options=options).decode(log_probs)
    (other,) = BeamDecoder(units, 0.04, options=options).decode(log_probs)
    assert one.tokens == other.tokens
    assert one.score == pytest.approx(other.score, abs=1e-4)


def test_blocks_are_the_compiled_search():
    batched, compiled = decoders("characters", BeamOptions(8))
    log_probs = random_log_probs(30, len(CHARACTERS), 3)
    state = batched.advance(batched.advance(batched.start(), log_probs[:11]), log_probs[11:])
    assert batched.finish(state) == compiled.decode(log_probs)


def test_bad_input_is_named():
    batched, _ = decoders("no model", BeamOptions(4))
    good = random_log_probs(3, len(CHARACTERS), 0)
    batch, lengths = padded([good, good])
    with pytest.raises(DecodingError, match=r"has shape \(2, 3, 6\) and type torch.int64 where floats"):
        batched.decode_batch(batch.long(), lengths)
    with pytest.raises(DecodingError, match=r"has shape \(2, 3, 5\)"):
        batched.decode_batch(batch[:, :, 1:], lengths)
    batch[1, 2, 0] = math.nan
    with pytest.raises(DecodingError, match="utterance 1 of the batch: frame 2 is NaN"):
        batched.decode_batch(batch, lengths)
    batch[1, 2] = 0.0
    with pytest.raises(DecodingError, match="utterance 1 of the batch: frame 2 sums to 6"):
        batched.decode_batch(batch, lengths)
    with pytest.raises(DecodingError, match="where"):
        batched.decode(good[0])


def test_a_language_model_over_words_of_characters_is_refused():
    lm = build_model(train_ngrams([line.split() for line in TEXT], order=2))
    with pytest.raises(DecodingError, match="is over words, which the search in torch cannot use"):
        BatchedBeamDecoder(CHARACTERS, 0.04, lm=lm)


@pytest.mark.gpu
@pytest.mark.parametrize("mode", MODES)
def test_the_gpu_finds_what_the_cpu_finds(mode):
    batched, compiled = decoders(mode, BeamOptions(16, nbest=3))
    rows = [random_log_probs(frames, len(MODES[mode][0]), frames) for frames in (40, 1, 25, 0, 13)]
    batch, lengths = padded(rows)
    for row, found in zip(rows, batched.decode_batch(batch.cuda(), lengths.cuda()), strict=True):
        assert_same(found, compiled.decode(row))
