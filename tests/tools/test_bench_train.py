"""The training benchmark: what it counts, that its systems compute the same, and a small run of it."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

BENCH = Path(__file__).resolve().parents[2] / "tools" / "bench"


@pytest.fixture
def bench(monkeypatch):
    """A function that imports a module of the benchmark's folder."""
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module


def measured(*options):
    """Run the benchmark; its output and, if asked for, its rows."""
    command = [sys.executable, str(BENCH / "train.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_operations_of_an_lstm(bench):
    """One layer, two directions, four gates, a multiplication and an addition for each weight and frame."""
    model = bench("train_systems").build(1, 16, torch.device("cpu"))
    assert bench("train_peak").lstm_operations(model, 10) == 10 * 2 * 2 * 4 * 16 * (256 + 16)


def test_operations_of_the_front_end_are_those_of_its_products(bench):
    """Counted by PyTorch itself, on lengths where nothing is rounded up."""
    from torch.utils.flop_counter import FlopCounterMode

    model = bench("train_systems").build(1, 16, torch.device("cpu")).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        x, _ = model.front_end(torch.randn(2, 40, 80), torch.tensor([40, 40]))
        model.output(torch.randn(2, x.shape[1], 32))
    assert bench("train_peak").other_operations(model, 20, 80) == counter.get_total_flops()


def test_the_peak_is_measured_for_every_library(bench):
    import time

    peaks = bench("train_peak").matmul_peak(torch.device("cpu"), torch.float32, time.perf_counter, rounds=1)
    assert "torch.mm" in peaks
    assert all(speed > 1e8 for speed in peaks.values())


def test_the_exact_systems_have_our_gradient(bench):
    """With ragged lengths; the padded form, which lets the backward direction read padding, has another."""
    train, parts = bench("train"), bench("train_systems")
    device = torch.device("cpu")
    model, batch = parts.build(2, 16, device), train.make_batch([2.0, 1.0, 1.5])
    differences = train.gradient_differences(model, batch, device, "float32")
    assert set(differences) == {"packed", "torch, separate directions"}
    assert max(differences.values()) < 1e-3


def test_mixed_lengths_have_the_same_mean(bench):
    train = bench("train")
    assert all(sum(seconds) / len(seconds) == pytest.approx(10.0, abs=1e-2) for seconds in train.FULL.values())


@pytest.mark.slow
def test_a_run_prints_and_writes_every_system(tmp_path):
    """Last run 2026-11-22: a few seconds, forty on a crowded machine."""
    out = tmp_path / "rows.json"
    printed = measured("--quick", "--sizes", "1x16", "--only", "ours,packed", "--profile", "--json", str(out))
    rows = json.loads(out.read_text())
    steps = {row["system"]: row for row in rows if row["case"] == "1x16, 8 x 5 s, step" and row["metric"] == "peak_mb"}
    assert {"ours", "packed"} == set(steps)
    shares = [row["value"] for row in rows if row["metric"] == "share_of_matmul_peak"]
    assert shares and all(0 < share < 1 for share in shares)
    assert "gradient of packed differs" in printed
    assert "_RecurrenceBackward" in printed


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_run_on_a_gpu(tmp_path, precision):
    """All forms of the LSTM that PyTorch offers there, with memory. Never run: no GPU has been at hand."""
    out = tmp_path / "rows.json"
    measured("--device", "cuda", "--sizes", "3x256", "--rounds", "5", "--precision", precision, "--json", str(out))
    rows = json.loads(out.read_text())
    assert "torch, directions in two streams" in {row["system"] for row in rows}
    assert all(row["value"] > 0 for row in rows)
