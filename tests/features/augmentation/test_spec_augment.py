"""SpecAugment: masks of the promised number and size, and chance from the generator alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.config.experiment import AugmentationConfig
from asr.features.augmentation.spec_augment import spec_augment
from asr.seeding import generator_for

NONE = {"frequency_masks": 0, "time_masks": 0, "time_warp_frames": 0}


def ones(frames: int = 200, bins: int = 80) -> torch.Tensor:
    return torch.ones(frames, bins)


def longest_run(masked: np.ndarray) -> int:
    """Length of the longest run of True."""
    padded = np.concatenate([[False], masked, [False]])
    edges = np.flatnonzero(np.diff(padded.astype(int)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 120))
def test_one_mask_of_each_kind_is_within_its_size(seed, frames):
    config = AugmentationConfig(
        frequency_masks=1, frequency_mask_bins=16, time_masks=1, time_mask_frames=30, time_mask_share=0.2
    )
    zero = (spec_augment(ones(frames), config, np.random.default_rng(seed)) == 0).numpy()
    rows, columns = zero.all(1), zero.all(0) & (frames > 0)
    assert np.array_equal(zero, rows[:, None] | columns[None])  # whole rows and whole columns, nothing else
    assert longest_run(rows) == rows.sum() <= min(30, int(frames * 0.2))
    assert longest_run(columns) == columns.sum() <= 16


def test_widths_reach_both_ends_and_every_place_is_hit():
    config = AugmentationConfig(**{**NONE, "frequency_masks": 1, "frequency_mask_bins": 3})
    generator = np.random.default_rng(0)
    zero = torch.stack([spec_augment(ones(1, 10), config, generator)[0] == 0 for _ in range(400)])
    assert set(zero.sum(1).tolist()) == {0, 1, 2, 3}
    assert zero.any(0).all()


def test_the_same_key_masks_the_same_and_another_does_not():
    config = AugmentationConfig(time_warp_frames=5)
    features = torch.from_numpy(np.random.default_rng(0).normal(size=(150, 80)))
    first, again, other = (spec_augment(features, config, generator_for(1, "specaugment", e, "utt")) for e in (4, 4, 5))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_input_is_left_alone_and_type_and_shape_are_kept():
    features = ones()
    masked = spec_augment(features, AugmentationConfig(), np.random.default_rng(0))
    assert features.all() and masked.shape == features.shape and masked.dtype == features.dtype


def test_no_masks_change_nothing():
    features = torch.randn(30, 80)
    assert torch.equal(spec_augment(features, AugmentationConfig(**NONE), np.random.default_rng(0)), features)


@pytest.mark.parametrize("seed", range(10))
def test_warping_keeps_ends_and_order_and_moves_no_frame_too_far(seed):
    config = AugmentationConfig(**{**NONE, "time_warp_frames": 8})
    ramp = torch.arange(100.0).unsqueeze(1).repeat(1, 3)
    warped = spec_augment(ramp, config, np.random.default_rng(seed))
    assert warped[0, 0] == 0 and warped[-1, 0] == 99
    assert (warped.diff(dim=0) >= 0).all()
    assert (warped - ramp).abs().max() <= 8 + 1e-4


def test_too_short_to_warp_is_left():
    config = AugmentationConfig(**{**NONE, "time_warp_frames": 8})
    short = torch.randn(17, 3)
    assert torch.equal(spec_augment(short, config, np.random.default_rng(0)), short)


@pytest.mark.gpu
def test_the_same_draws_on_the_gpu():
    features = torch.randn(200, 80)
    config = AugmentationConfig(time_warp_frames=5)
    expected = spec_augment(features, config, np.random.default_rng(0))
    masked = spec_augment(features.cuda(), config, np.random.default_rng(0))
    torch.testing.assert_close(masked.cpu(), expected, atol=1e-6, rtol=0)
