"""One frame of the batched search: masses by hand, merging, prefixes that come back, and places that stay free."""

import math

import numpy as np
import pytest
import torch

from asr.decoding.beam_torch_step import (
    EMPTY,
    STAYED,
    Beam,
    Rules,
    Scorer,
    extended_hash,
    first_beam,
    grow,
    with_unit,
)
from asr.decoding.beam_torch_texts import tensor_texts
from asr.decoding.knowledge.texts import no_texts
from asr.decoding.ngram_torch import TensorNGram
from asr.lm.automaton import build_model
from asr.lm.kneser_ney import train_ngrams

CPU = torch.device("cpu")
FREE = Scorer(None, 0.0, torch.zeros(3))
APART = tensor_texts(no_texts(), CPU)  # no unit is a separator, or a cut of a word
UNITS = torch.tensor([[1, 2]])
ALL = torch.tensor([[True, True]])


def row(*probs: float) -> torch.Tensor:
    return torch.tensor([probs]).log()


def step(beam: Beam, frame: torch.Tensor, scorer: Scorer = FREE, tried: torch.Tensor = ALL, threshold: float = 1e9):
    batch = len(frame)
    return grow(beam, frame, UNITS.expand(batch, 2), tried.expand(batch, 2), Rules(scorer, APART, threshold, 0.0))


def masses(frames: list[torch.Tensor], width: int = 16) -> dict[tuple[int, ...], float]:
    """Probability of every prefix in the beam after these frames, its units traced by hand."""
    beam = first_beam(1, width, 0, CPU)
    prefixes: list[tuple[int, ...]] = [()] * width
    scale = 0.0
    for frame in frames:
        growth = step(beam, frame)
        beam, scale = growth.beam, scale + growth.best.item()
        pairs = zip(growth.origins[0].tolist(), growth.tokens[0].tolist(), strict=True)
        prefixes = [prefixes[origin] + ((token,) if token != STAYED else ()) for origin, token in pairs]
    totals = torch.logaddexp(beam.blank, beam.label)[0].tolist()
    alive = [place for place, total in enumerate(totals) if total > -math.inf]
    found = {prefixes[place]: math.exp(totals[place] + scale) for place in alive}
    assert len(found) == len(alive)  # no prefix stands in the beam twice
    return found


def test_one_frame_is_the_frame():
    assert masses([row(0.5, 0.3, 0.2)]) == pytest.approx({(): 0.5, (1,): 0.3, (2,): 0.2})


def test_two_frames_merge_repeats_and_prefixes_that_are_there():
    first, second = (0.5, 0.3, 0.2), (0.6, 0.1, 0.3)
    expected = {
        (): 0.5 * 0.6,
        (1,): 0.3 * 0.6 + 0.3 * 0.1 + 0.5 * 0.1,
        (2,): 0.2 * 0.6 + 0.2 * 0.3 + 0.5 * 0.3,
        (1, 2): 0.3 * 0.3,
        (2, 1): 0.2 * 0.1,
    }
    assert masses([row(*first), row(*second)]) == pytest.approx(expected)


def test_a_double_unit_needs_a_blank_between():
    found = masses([row(0.2, 0.8, 0.0), row(1.0, 0.0, 0.0), row(0.0, 1.0, 0.0)])
    assert found == pytest.approx({(1,): 0.2, (1, 1): 0.8})
    assert (1, 1) not in masses([row(0.2, 0.8, 0.0), row(0.0, 1.0, 0.0)])


@pytest.mark.parametrize("seed", range(8))
def test_all_the_mass_is_there(seed):
    rng = np.random.default_rng(seed)
    frames = [torch.from_numpy(rng.dirichlet([0.5, 0.5, 0.5]).astype(np.float32)).log()[None] for _ in range(5)]
    assert sum(masses(frames, width=200).values()) == pytest.approx(1.0, abs=1e-5)


def by_dictionary(frames: list[torch.Tensor], width: int) -> dict[tuple[int, ...], float]:
    """The same search with prefixes as they are in place of hashes: {prefix: probability}."""
    beam = {(): (1.0, 0.0)}
    for frame in frames:
        probs = frame.double().exp()[0].tolist()
        fresh: dict[tuple[int, ...], list[float]] = {}
        for prefix, (blank, label) in beam.items():
            stay = fresh.setdefault(prefix, [0.0, 0.0])
            stay[0] += (blank + label) * probs[0]
            stay[1] += label * probs[prefix[-1]] if prefix else 0.0
            for token in (1, 2):
                arriving = blank if prefix and prefix[-1] == token else blank + label
                fresh.setdefault((*prefix, token), [0.0, 0.0])[1] += arriving * probs[token]
        best = sorted(fresh.items(), key=lambda item: -sum(item[1]))[:width]
        beam = {prefix: (blank, label) for prefix, (blank, label) in best}
    return {prefix: sum(parts) for prefix, parts in beam.items()}


@pytest.mark.parametrize("width", [2, 3, 5])
def test_prefixes_that_left_and_came_back_are_the_beginnings_of_their_extensions_again(width):
    for seed in range(15):
        rng = np.random.default_rng(seed)
        probs = rng.dirichlet([0.4, 0.4, 0.4], 12).astype(np.float32) + 1e-6
        frames = [torch.from_numpy(frame / frame.sum()).log()[None] for frame in probs]
        assert masses(frames, width) == pytest.approx(by_dictionary(frames, width), rel=1e-4)


def test_free_places_stay_free():
    growth = step(first_beam(2, 7, 0, CPU), row(0.5, 0.5, 0.0).expand(2, 3))
    alive = torch.logaddexp(growth.beam.blank, growth.beam.label) > -math.inf
    assert alive.sum(dim=1).tolist() == [2, 2]
    assert not torch.isnan(growth.beam.label).any()


def test_units_that_are_not_tried_do_not_extend_but_go_on():
    start = step(first_beam(1, 4, 0, CPU), row(0.2, 0.8, 0.0)).beam
    growth = step(start, row(0.1, 0.9, 0.0), tried=torch.tensor([[False, False]]))
    totals = torch.logaddexp(growth.beam.blank, growth.beam.label)[0] + growth.best
    assert growth.tokens[0, totals > -math.inf].tolist() == [STAYED, STAYED]
    # (1,) again, by repetition and from the empty prefix, as in the compiled search
    expected = 0.8 * 0.1 + 0.8 * 0.9 + 0.2 * 0.9
    assert 0.8 * math.exp(totals[0].item()) == pytest.approx(expected)  # masses were relative to 0.8


def test_prefixes_below_the_threshold_are_dropped():
    growth = step(first_beam(1, 4, 0, CPU), row(0.9, 0.09, 0.01), threshold=-math.log(0.05))
    totals = torch.logaddexp(growth.beam.blank, growth.beam.label)[0]
    assert (totals > -math.inf).sum() == 2


def test_an_impossible_frame_leaves_no_prefix_and_no_nan():
    growth = step(first_beam(1, 4, 0, CPU), torch.full((1, 3), -math.inf))
    assert growth.best.item() == -math.inf
    assert (torch.logaddexp(growth.beam.blank, growth.beam.label) == -math.inf).all()


def test_the_language_model_weighs_what_is_added_once():
    lm = build_model(train_ngrams([["x", "y"], ["y", "x", "y"]] * 3, order=2))
    words = np.array([0, lm.ids["x"], lm.ids["y"]])
    scorer = Scorer(TensorNGram(lm, words, CPU), 0.5, torch.tensor([0.25, 0.25, 0.25]))
    beam = first_beam(1, 8, lm.start_state, CPU)
    scale = 0.0
    for probs in ((0.2, 0.8, 0.0), (0.3, 0.7, 0.0), (0.4, 0.0, 0.6)):
        growth = step(beam, row(*probs), scorer)
        beam, scale = growth.beam, scale + growth.best.item()
    wanted = extended_hash(extended_hash(torch.tensor(EMPTY), torch.tensor(1)), torch.tensor(2))
    (place,) = (beam.hashes[0] == wanted).nonzero()[:, 0].tolist()
    gain = 0.5 * lm.score(["x", "y"], eos=False) + 2 * 0.25
    assert beam.log_gain[0, place].item() == pytest.approx(gain, abs=1e-5)
    total = torch.logaddexp(beam.blank, beam.label)[0, place].item() + scale
    paths = 0.8 * 0.7 + 0.8 * 0.3 + 0.2 * 0.7  # x, then y in the third frame
    assert total == pytest.approx(math.log(paths * 0.6) + gain, abs=1e-5)
    end = scorer.finish(beam.lm_states)[0, place].item()
    assert end == pytest.approx(0.5 * (lm.score(["x", "y"]) - lm.score(["x", "y"], eos=False)), abs=1e-5)


def test_hashes_of_different_prefixes_differ():
    hashes = {(): torch.tensor(EMPTY)}
    for _ in range(6):
        hashes |= {(*p, u): extended_hash(h, torch.tensor(u)) for p, h in hashes.items() for u in range(1, 5)}
    assert len({value.item() for value in hashes.values()}) == len(hashes) == sum(4**n for n in range(7))


def test_a_full_beam_keeps_the_best_of_each_future():
    """After two frames (), (1,), (2,), (1, 2), (2, 1) compete for three places: two pairs end in the same unit."""
    beam = step(first_beam(1, 3, 0, CPU), row(0.1, 0.6, 0.3)).beam
    frame = row(0.1, 0.45, 0.45)
    freely = grow(beam, frame, UNITS, ALL, Rules(FREE, APART, 1e9, 0.0))
    apart = grow(beam, frame, UNITS, ALL, Rules(FREE, APART, 1e9, -math.inf))
    chosen = [
        (origin, token) for origin, token in zip(apart.origins[0].tolist(), apart.tokens[0].tolist(), strict=True)
    ]
    grown = [token for origin, token in chosen if token != STAYED]
    assert len(chosen) == 3
    assert freely.best.item() == apart.best.item()  # the best is always kept
    assert len({(beam.last[0, origin].item(), token) for origin, token in chosen}) == len(chosen)
    assert all(token in (1, 2) for token in grown)
    roomy = grow(
        step(first_beam(1, 16, 0, CPU), row(0.1, 0.6, 0.3)).beam, frame, UNITS, ALL, Rules(FREE, APART, 1e9, -math.inf)
    )
    alive = torch.logaddexp(roomy.beam.blank, roomy.beam.label) > -math.inf
    assert alive.sum() == 5  # with room for all nothing is dropped


def two_prefixes(recent: tuple[int, int]) -> Beam:
    """A full beam of two prefixes that end in unit 1 and a blank."""
    beam = first_beam(1, 2, 0, CPU)
    hashes, last = torch.tensor([[10, 11]]), torch.tensor([[1, 1]])
    blank = torch.tensor([[0.5, 0.4]]).log()
    return beam._replace(hashes=hashes, parents=hashes + 10, last=last, recent=torch.tensor([recent]), blank=blank)


def chosen_from(beam: Beam, frame: torch.Tensor, discount: float = -math.inf) -> list[tuple[int, int]]:
    growth = grow(beam, frame, UNITS, ALL, Rules(FREE, APART, 1e9, discount))
    alive = torch.logaddexp(growth.beam.blank, growth.beam.label)[0] > -math.inf
    return list(zip(growth.origins[0, alive].tolist(), growth.tokens[0, alive].tolist(), strict=True))


def test_only_prefixes_with_the_same_last_units_give_way_to_each_other():
    frame = row(0.6, 0.0, 0.4)  # staying 0.3 and 0.24, longer 0.2 and 0.16
    assert chosen_from(two_prefixes((7, 8)), frame) == [(0, STAYED), (1, STAYED)]
    assert chosen_from(two_prefixes((7, 7)), frame) == [(0, STAYED), (0, 2)]
    assert chosen_from(two_prefixes((7, 7)), frame, discount=0.0) == [(0, STAYED), (1, STAYED)]


def test_a_full_beam_takes_no_prefix_far_below_all_that_stay():
    frame = row(0.9, 0.0, 0.1)  # staying 0.45 and 0.36, longer 0.05 and 0.04: below 0.36 / e
    assert chosen_from(two_prefixes((7, 7)), frame) == [(0, STAYED), (1, STAYED)]


def test_the_last_three_units_are_remembered():
    recent = torch.tensor(0)
    seen = []
    for unit in (5, 6, 7, 8, 5, 6, 7):
        recent = with_unit(recent, torch.tensor(unit))
        seen.append(recent.item())
    assert seen[2] == seen[6]  # (5, 6, 7) and (..., 8, 5, 6, 7)
    assert len(set(seen)) == len(seen) - 1
    most = with_unit(torch.tensor((1 << 60) - 1), torch.tensor((1 << 20) - 1))
    assert most.item() == (1 << 60) - 1  # never negative
