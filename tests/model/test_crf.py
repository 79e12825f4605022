"""CTC-CRF against sums over all paths and finite differences, compiled and by PyTorch's operations.

The brute force knows nothing of graphs: it lists every path of V units over T frames and asks the n-gram for the
probability of what the path says.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.errors import TrainingError
from asr.lm.automaton import build_model
from asr.lm.kneser_ney import train_ngrams
from asr.lm.pruning import prune
from asr.model import crf
from asr.model.crf import ctc_crf_loss, log_partition
from asr.model.crf_torch import log_partitions_by_torch
from asr.model.denominator import Denominator
from asr.units import Units

UNITS = Units("words", ["<blank>", "<unk>", "a", "b", "c"])
TEXTS = ["a b a", "b b c", "c a", "a c b b", "b", "b b b a c", "a b a b"]
CPU = torch.device("cpu")


def ngram_of(order, texts=TEXTS, threshold=0.0):
    tables = train_ngrams([text.split() for text in texts], order, unit="units")
    return build_model(prune(tables, threshold) if threshold else tables)


def without_negative_parts(order):
    """A model whose bigrams have less than backing off would give: no back-off arc can be exact."""
    tables = train_ngrams([text.split() for text in TEXTS], order, unit="units")
    tables.orders[-1].log_probs -= 1.0
    return build_model(tables)


NGRAMS = {
    "unigram": ngram_of(1),
    "bigram": ngram_of(2),
    "trigram": ngram_of(3),
    "4-gram": ngram_of(4),
    "4-gram, pruned to a few histories": ngram_of(4, threshold=1e-2),
    "not interpolated": without_negative_parts(3),
}
every_ngram = pytest.mark.parametrize("name", NGRAMS)


def draw(seed, *shape, spread=2.0):
    logits = spread * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return logits.log_softmax(-1)


def spoken(path):
    """What a path says: repeats and blanks removed."""
    return [unit for unit, _ in itertools.groupby(path) if unit]


def by_paths(log_probs, denominator, target=None):
    """Log of the summed weight of all paths (of a target), and the share of the paths that have a unit at a frame."""
    p = log_probs.double().numpy()
    total, shares = 0.0, np.zeros_like(p)
    for path in itertools.product(range(p.shape[1]), repeat=len(p)):
        said = spoken(path)
        if target is not None and said != target:
            continue
        weight = math.exp(sum(p[t, unit] for t, unit in enumerate(path)) + denominator.log_prior([said])[0])
        total += weight
        for t, unit in enumerate(path):
            shares[t, unit] += weight
    return math.log(total), shares / total


def partitions(log_probs, lengths, denominator):
    """log Z and its gradient as training gets them."""
    own = log_probs.float().detach().requires_grad_()
    values = log_partition(own, lengths, denominator)
    values.sum().backward()
    return values.detach(), own.grad


def partitions_by_torch(log_probs, lengths, denominator):
    return log_partitions_by_torch(log_probs, lengths, denominator.tensors(CPU), True)


@every_ngram
@pytest.mark.parametrize("algorithm", [partitions, partitions_by_torch])
def test_against_the_sum_over_all_paths(name, algorithm):
    denominator = Denominator(NGRAMS[name], UNITS)
    log_probs, lengths = draw(1, 3, 5, len(UNITS)), torch.tensor([5, 4, 1])
    values, slopes = algorithm(log_probs, lengths, denominator)
    for row, length in enumerate(lengths.tolist()):
        expected, shares = by_paths(log_probs[row, :length], denominator)
        assert values[row].item() == pytest.approx(expected, rel=1e-6)
        np.testing.assert_allclose(slopes[row, :length], shares, atol=1e-6)
        assert torch.all(slopes[row, length:] == 0)


@every_ngram
def test_the_prior_is_the_probability_that_the_ngram_gives(name):
    """Of sentences with their ends; and all of them together have probability 1."""
    ngram = NGRAMS[name]
    denominator = Denominator(ngram, UNITS)
    targets = [[], [2], [2, 3, 2], [4, 4, 4], [3, 3, 4, 2, 1]]
    expected = [ngram.score([UNITS.symbols[unit] for unit in target]) for target in targets]
    np.testing.assert_allclose(denominator.log_prior(targets), expected, rtol=1e-6)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_units_that_the_ngram_has_not_seen_share_its_unknown_word(order):
    """Every continuation together has probability 1, so that a missing unit costs no more than it must."""
    ngram = ngram_of(order)
    denominator = Denominator(ngram, Units("words", ["<blank>", "<unk>", "a", "b", "c", "x", "y"]))
    steps = np.exp(denominator.log_prior([[unit] for unit in range(1, 7)]))
    assert steps[0] == pytest.approx(steps[4]) == pytest.approx(steps[5])
    outgoing = denominator.graph
    first = outgoing.arcs_from[0], outgoing.arcs_from[1]
    assert outgoing.weights_from[slice(*first)].sum() + outgoing.finals[0] == pytest.approx(1, abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.1, 40), st.lists(st.integers(2, 4), max_size=6), st.integers(0, 6))
def test_the_loss_is_never_negative(seed, spread, target, more):
    """However sure the network is, of whatever; the target is among all that could be said."""
    denominator = Denominator(NGRAMS["trigram"], UNITS)
    frames = len(target) + sum(a == b for a, b in itertools.pairwise(target)) + more
    log_probs = draw(seed, 1, max(1, frames), len(UNITS), spread=spread).float()
    loss = ctc_crf_loss(log_probs, torch.tensor([frames]), [target], denominator)
    assert loss.item() >= -1e-4


@pytest.mark.parametrize("weight", [0.0, 0.1])
def test_the_loss_against_its_formula(weight):
    denominator = Denominator(NGRAMS["trigram"], UNITS)
    log_probs, lengths, targets = draw(2, 2, 5, len(UNITS)), torch.tensor([5, 3]), [[2, 2, 3], []]
    losses = ctc_crf_loss(log_probs.float(), lengths, targets, denominator, weight)
    for row, target in enumerate(targets):
        own = log_probs[row, : lengths[row]]
        said, everything = by_paths(own, denominator, target)[0], by_paths(own, denominator)[0]
        ctc = denominator.log_prior([target])[0] - said
        assert losses[row].item() == pytest.approx(everything - said + weight * ctc, rel=1e-5)


def test_the_gradient_against_finite_differences():
    """Of the loss with respect to what goes into the softmax, in float64 by PyTorch's operations and compiled."""
    denominator = Denominator(NGRAMS["trigram"], UNITS)
    logits, lengths, targets = draw(3, 2, 6, len(UNITS)), torch.tensor([6, 4]), [[2, 3, 3], [4]]

    def loss(values):
        log_probs = values.log_softmax(-1)
        z, _ = partitions_by_torch(log_probs, lengths, denominator)
        flat, counts = torch.tensor([2, 3, 3, 4]), torch.tensor([3, 1])
        ctc = torch.nn.functional.ctc_loss(log_probs.transpose(0, 1), flat, lengths, counts, reduction="none")
        return float((ctc + z).sum())

    own = logits.float().requires_grad_()
    ctc_crf_loss(own.log_softmax(-1), lengths, targets, denominator).sum().backward()
    for index in itertools.product(range(2), range(6), range(len(UNITS))):
        step = torch.zeros_like(logits)
        step[index] = 1e-5
        slope = (loss(logits + step) - loss(logits - step)) / 2e-5
        assert own.grad[index].item() == pytest.approx(slope, abs=2e-5)


def test_any_batch_gives_the_same_bits():
    """Alone, in any company, in any order, and whatever lies beyond a length."""
    denominator = Denominator(NGRAMS["4-gram"], UNITS)
    log_probs, lengths = draw(4, 7, 30, len(UNITS)).float(), torch.tensor([30, 7, 12, 1, 0, 29, 16])
    log_probs = log_probs.masked_fill(torch.arange(30)[None, :, None] >= lengths[:, None, None], math.nan)
    values, slopes = partitions(log_probs, lengths, denominator)
    for rows in ([0], [3], [6, 5], [1, 2, 4, 5, 0]):
        longest = int(lengths[rows].max())
        some, their = partitions(log_probs[rows, :longest], lengths[rows], denominator)
        assert torch.equal(some, values[rows])
        assert torch.equal(their, slopes[rows, :longest])


def test_an_utterance_without_frames_says_nothing():
    denominator = Denominator(NGRAMS["trigram"], UNITS)
    losses = ctc_crf_loss(draw(5, 1, 1, len(UNITS)).float(), torch.tensor([0]), [[]], denominator)
    assert losses.item() == pytest.approx(0, abs=1e-6)
    z, _ = partitions_by_torch(draw(5, 1, 0, len(UNITS)), torch.tensor([0]), denominator)
    assert z.item() == pytest.approx(denominator.log_prior([[]])[0])


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(NGRAMS)), st.lists(st.integers(0, 25), min_size=1, max_size=9), st.integers(0, 2**31))
def test_the_compiled_algorithm_against_pytorchs(name, lengths, seed):
    denominator = Denominator(NGRAMS[name], UNITS)
    log_probs = draw(seed, len(lengths), max(lengths), len(UNITS), spread=4.0).float()
    values, slopes = partitions(log_probs, torch.tensor(lengths), denominator)
    other, their = partitions_by_torch(log_probs, torch.tensor(lengths), denominator)
    torch.testing.assert_close(values, other.float(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(slopes, their, rtol=1e-5, atol=1e-6)


def test_a_long_sure_utterance_does_not_run_out_of_numbers():
    """2,000 frames of a network that is sure of what is most unlikely: the sums stay finite, the shares sum to 1."""
    denominator = Denominator(NGRAMS["trigram"], UNITS)
    log_probs = draw(6, 1, 2000, len(UNITS), spread=60.0).float()
    values, slopes = partitions(log_probs, torch.tensor([2000]), denominator)
    assert torch.isfinite(values).all()
    torch.testing.assert_close(slopes.sum(dim=-1), torch.ones(1, 2000), rtol=0, atol=1e-5)


def test_without_a_compiler_training_takes_pytorchs_operations(monkeypatch):
    denominator = Denominator(NGRAMS["trigram"], UNITS)
    log_probs, lengths = draw(7, 2, 9, len(UNITS)), torch.tensor([9, 4])
    compiled = partitions(log_probs, lengths, denominator)
    monkeypatch.setattr(crf, "compiled_kernels", lambda: None)
    for found, expected in zip(partitions(log_probs, lengths, denominator), compiled, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_every_tensor_follows_the_device():
    """The meta device holds no numbers: an operation that met a tensor of the processor's would fail."""
    meta = torch.device("meta")
    denominator = Denominator(NGRAMS["4-gram"], UNITS)
    log_probs = torch.zeros(3, 6, len(UNITS), device=meta, requires_grad=True)
    values = log_partition(log_probs, torch.zeros(3, dtype=torch.long, device=meta), denominator)
    values.sum().backward()
    assert (values.device, values.shape, values.dtype) == (meta, (3,), torch.float32)
    assert (log_probs.grad.device, log_probs.grad.shape) == (meta, log_probs.shape)


def test_a_length_beyond_the_frames_is_refused():
    with pytest.raises(ValueError, match="a length lies outside"):
        log_partition(draw(8, 1, 3, len(UNITS)), torch.tensor([4]), Denominator(NGRAMS["bigram"], UNITS))


def test_an_ngram_of_other_units_is_refused():
    with pytest.raises(TrainingError, match="other units than the model's; it knows 'z'"):
        Denominator(ngram_of(2, ["a z", "b a"]), UNITS)


def test_seen_histories_back_off_with_one_arc():
    """A trigram of 12 units: a node for each pair that was met, far fewer arcs than units of each, and it is exact."""
    letters = [chr(97 + number) for number in range(12)]
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.choice(letters, 12)) for _ in range(60)]
    denominator = Denominator(ngram_of(3, texts), Units("words", ["<blank>", "<unk>", *letters]))
    graph = denominator.graph
    assert len(graph.longer) > 100
    assert denominator.arcs < denominator.histories * 13 / 2
    counted = f"{denominator.histories} histories, {2 * denominator.histories - 1} states, {denominator.arcs} arcs"
    assert denominator.describe() == f"3-gram of 12 units, {counted}"


def test_pruning_keeps_the_histories_of_order_4_that_matter():
    whole, cut = (Denominator(NGRAMS[name], UNITS) for name in ("4-gram", "4-gram, pruned to a few histories"))
    assert cut.ngram.order == 4
    assert cut.arcs < whole.arcs
    assert cut.histories < whole.histories
