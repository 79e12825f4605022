"""Dropout: the share, the scale, the seed, and nothing outside training."""

import pytest
import torch

from asr.model.cpu.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.9])
def test_the_share_and_the_scale(p):
    torch.manual_seed(3)
    y = Dropout(p)(torch.ones(400, 1001))
    assert float((y == 0).float().mean()) == pytest.approx(p, abs=5e-3)
    assert float(y.mean()) == pytest.approx(1.0, abs=2e-2)
    assert y.unique().numel() == 2


def test_neighbours_are_independent():
    """Four draws share a random number: their joint shares must be the products."""
    torch.manual_seed(4)
    dropped = (Dropout(0.5)(torch.ones(100_000, 4)) == 0).float()
    covariance = torch.cov(dropped.t())
    torch.testing.assert_close(covariance, 0.25 * torch.eye(4), rtol=0, atol=4e-3)


def test_the_gradient_has_the_same_mask():
    torch.manual_seed(5)
    x = torch.ones(50, 7, requires_grad=True)
    y = Dropout(0.4)(x)
    y.sum().backward()
    assert (x.grad == y.detach()).all()


def test_the_seed_decides():
    drop, x = Dropout(0.3), torch.ones(1000)

    def draw(seed):
        torch.manual_seed(seed)
        return drop(x)

    assert (draw(1) == draw(1)).all()
    assert (draw(1) != draw(2)).any()


def test_nothing_happens_in_recognition_or_without_dropout():
    x = torch.randn(5, 3)
    assert Dropout(0.5).eval()(x) is x
    assert (Dropout(0.0)(x) == x).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_type_stays(dtype):
    assert Dropout(0.5)(torch.ones(8, dtype=dtype)).dtype == dtype


@pytest.mark.parametrize("count", [0, 1, 3, 5])
def test_any_number_of_elements(count):
    assert Dropout(0.5)(torch.ones(count)).shape == (count,)


@pytest.mark.parametrize("p", [0.01, 0.25, 0.97])
def test_one_pass_has_the_bits_of_three(p):
    """With gradients a compiled pass masks and scales; without them or in float64, PyTorch's operations do."""
    drop, x = Dropout(p), torch.randn(37, 11, generator=torch.Generator().manual_seed(6))

    def draw(source):
        torch.manual_seed(7)
        return drop(source)

    compiled = draw(x)
    with torch.no_grad():
        assert (draw(x) == compiled).all()
    torch.testing.assert_close(draw(x.double()).float(), compiled, rtol=1e-6, atol=0)


def test_columns_and_expanded_gradients():
    """Neither input nor gradient need lie in one piece."""
    drop, x = Dropout(0.5), torch.randn(8, 6, generator=torch.Generator().manual_seed(8))
    torch.manual_seed(9)
    whole = drop(x.t().contiguous())
    torch.manual_seed(9)
    source = x.clone().requires_grad_()
    turned = drop(source.t())
    assert (turned == whole).all()
    turned.sum().backward()
    assert (source.grad == torch.where(whole.t() == 0, 0.0, 2.0)).all()


def test_not_a_number_stays_one():
    y = Dropout(0.5)(torch.full((100,), float("nan")))
    assert torch.isnan(y).all()
