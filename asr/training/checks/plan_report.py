"""A training plan as a table to read, and as figures for a program."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from asr.files import atomic_write
from asr.training.checks.data import summarise
from asr.training.checks.plan import TrainingPlan

WIDTH = 28


def plan_text(plan: TrainingPlan) -> str:
    """Table of a plan, what was found in the data, and the verdict."""
    lines = [f"Plan of {plan.name} on {plan.device}", *_data(plan), *_model(plan), *_time(plan), *_space(plan)]
    found = [*summarise(plan.targets.train), *(f"{line} [dev set]" for line in summarise(plan.targets.dev))]
    lines += ["", "Data", *(f"  {line}" for line in found or ["nothing wrong was found"])]
    if plan.targets.foreign:
        counts = ", ".join(f"{symbol!r} {count}" for symbol, count in list(plan.targets.foreign.items())[:20])
        lines.append(f"  outside the units of the training texts: {counts}")
    lines += ["", *(f"cannot train: {reason}" for reason in plan.obstacles)]
    return "\n".join(lines if plan.obstacles else [*lines, "ready to train"])


def plan_figures(plan: TrainingPlan) -> dict[str, Any]:
    """The same as JSON values: bytes, seconds, counts."""
    work, measured = plan.work, plan.measured
    figures: dict[str, Any] = {
        "name": plan.name,
        "device": plan.device,
        "utterances": dict(zip(("train", "dev"), plan.utterances, strict=True)),
        "units": plan.units,
        "parameters": plan.parameters,
        "memory": {**asdict(plan.memory), "limit": plan.limit},
        "disk": {"experiment": plan.disk, "features": plan.features, "free": plan.free},
        "errors": [str(offence) for offence in (*plan.targets.train, *plan.targets.dev) if offence.is_error],
        "warnings": [str(offence) for offence in (*plan.targets.train, *plan.targets.dev) if not offence.is_error],
        "foreign": plan.targets.foreign,
        "obstacles": plan.obstacles,
    }
    if work is not None:
        figures["work"] = {
            "updates": work.steps,
            "updates_by_epoch": work.updates,
            "exact": work.exact,
            "audio_seconds": sum(work.seconds),
            "padding": work.padding,
        }
    if measured is not None:
        figures["memory"] |= {"predicted_peak": plan.expected_memory, "measured_peak": measured.peak}
        figures["seconds"] = {
            "update_fixed": measured.times.fixed,
            "update_per_padded_second": measured.times.per_second,
            "validation": measured.dev_seconds,
            "checkpoint": measured.save_seconds,
            "epoch": plan.epoch_seconds,
            "training": plan.total_seconds,
        }
    return figures


def write_figures(plan: TrainingPlan, path: str | Path) -> None:
    """Write `plan_figures` as a JSON file."""
    with atomic_write(path) as stream:
        json.dump(plan_figures(plan), stream, indent=1, ensure_ascii=False)
        stream.write("\n")


def _row(what: str, value: str) -> str:
    return f"  {what:<{WIDTH}}{value}"


def _data(plan: TrainingPlan) -> list[str]:
    rows = [_row("utterances", f"{plan.utterances[0]} train, {plan.utterances[1]} dev; {plan.units} units")]
    work = plan.work
    if work is None:
        return [*rows, _row("updates", "none: no utterance can be used")]
    fewest, most = min(work.updates), max(work.updates)
    each = f"{most}" if fewest == most else f"{fewest} to {most}"
    about = "" if work.exact else "about "
    return [
        *rows,
        _row("audio of an epoch", f"{sum(work.seconds) / plan.epochs / 3600:.2f} h"),
        _row("padding", f"{100 * work.padding:.1f} %"),
        _row("updates", f"{about}{work.steps}: {plan.epochs} epochs of {each}"),
        _row("largest batch", f"{work.largest:.1f} s with padding"),
    ]


def _model(plan: TrainingPlan) -> list[str]:
    counts = [_row(part, f"{count:,}") for part, count in plan.parameters.items()]
    return [_row("parameters", f"{sum(plan.parameters.values()):,}"), *(f"  {row}" for row in counts)]


def _time(plan: TrainingPlan) -> list[str]:
    measured = plan.measured
    if measured is None:
        return [_row("time", "not measured")]
    times = measured.times
    return [
        _row("update", f"{1000 * times.fixed:.0f} ms + {1000 * times.per_second:.2f} ms for a second of padded audio"),
        _row("validation", duration(measured.dev_seconds)),
        _row("epoch", f"{duration(plan.epoch_seconds)} with validation and saving"),
        _row("training", duration(plan.total_seconds)),
    ]


def _space(plan: TrainingPlan) -> list[str]:
    memory, measured = plan.memory, plan.measured
    rows = [_row("memory", size(memory.total)), *(_row(f"  {name}", size(n)) for name, n in asdict(memory).items())]
    if measured is not None:
        rows.append(_row("peak with the program", f"{size(plan.expected_memory)} of {size(plan.limit)}"))
        rows.append(_row("  of the updates measured", size(measured.peak)))
    rows.append(_row("disk", f"{size(plan.disk)} of {size(plan.free)} free; features {size(plan.features)}"))
    return rows


def size(count: int) -> str:
    """Bytes as people read them."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def duration(seconds: float) -> str:
    """Seconds as people read them: 0.4 s, 12 min 5 s, 3 h 20 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
