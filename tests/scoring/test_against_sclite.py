"""Counts against NIST's sclite: a recorded table, and the program itself where it is installed.

`data/sclite_counts.tsv` holds 250 random sentences and 250 references with alternatives and optional words, counted by
sclite 2.4.10 (Debian package sctk) with `-r x.stm stm -h x.ctm ctm -D -o pralign`.
"""

import csv
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import asr
from asr.scoring.evaluate import Options, evaluate
from asr.scoring.statistics.significance import mapsswe

TABLE = Path(__file__).with_name("data") / "sclite_counts.tsv"
SCLITE = shutil.which("sclite") or shutil.which("sclite", path="/usr/lib/sctk/bin")
SC_STATS = shutil.which("sc_stats") or shutil.which("sc_stats", path="/usr/lib/sctk/bin")
needs_sclite = pytest.mark.skipif(not (SCLITE and SC_STATS), reason="sclite is not installed (Debian package sctk)")


def recorded() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def test_recorded_counts_of_sclite() -> None:
    rows = recorded()
    score = asr.score([r["reference"] for r in rows], [r["hypothesis"] for r in rows], costs="sclite", markup=True)
    ours = [[hits, subs, dels, ins] for hits, subs, dels, ins in score.counts.tolist()]
    theirs = [[int(row[name]) for name in ("correct", "substituted", "deleted", "inserted")] for row in rows]
    assert len(rows) == 500
    assert ours == theirs


def corrupted(words: list[str], draw: random.Random) -> list[str]:
    heard: list[str] = []
    for word in words:
        chance = draw.random()
        if chance < 0.1:
            continue
        heard.append(draw.choice("abcdefgh") if chance < 0.25 else word)
        if chance > 0.92:
            heard.append(draw.choice("abcdefgh"))
    return heard


def write_trn(path: Path, sentences: list[list[str]]) -> Path:
    lines = [f"{' '.join(words)} (s{n % 7}_{n:05d})\n" for n, words in enumerate(sentences)]
    path.write_text("".join(lines), encoding="utf-8")
    return path


@needs_sclite
def test_trn_counts_and_segments_of_sclite_and_sc_stats(tmp_path: Path) -> None:
    """2,000 random sentences: every count, and segments, mean and z of MAPSSWE.

    sc_stats does not look at words inserted after the last word by its second system alone, so there are none here.
    """
    draw = random.Random(5)
    refs = [[draw.choice("abcdefgh") for _ in range(draw.randint(1, 20))] + ["end"] for _ in range(2000)]
    systems = [[[*corrupted(ref[:-1], draw), "end"] for ref in refs] for _ in range(2)]
    ref = write_trn(tmp_path / "ref.trn", refs)
    hyps = [write_trn(tmp_path / f"{name}.trn", said) for name, said in zip("ab", systems, strict=True)]
    evaluation = evaluate(ref, hyps, Options(costs="sclite", resamples=100))
    for hyp, system in zip(hyps, evaluation.systems, strict=True):
        command = [SCLITE, "-r", ref, "trn", "-h", hyp, "trn", "-i", "spu_id", "-o", "rsum", "sgml"]
        subprocess.run([*command, "-O", tmp_path, "-n", hyp.stem], check=True, capture_output=True)
        summary = re.search(r"\|\s+Sum[^|]*\|\s*(\d+)\s+(\d+)\s*\|\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)",
                            (tmp_path / f"{hyp.stem}.raw").read_text())  # fmt: skip
        assert summary is not None
        totals = system.score.totals
        assert [int(number) for number in summary.groups()] == [
            2000, totals.reference, totals.hits, totals.substitutions, totals.deletions, totals.insertions,
            totals.errors, system.score.sentence_errors,
        ]  # fmt: skip
    piped = (tmp_path / "a.sgml").read_bytes() + (tmp_path / "b.sgml").read_bytes()
    subprocess.run(
        [SC_STATS, "-p", "-t", "mapsswe", "-v", "-n", "x"], input=piped, check=True, capture_output=True, cwd=tmp_path
    )
    result = re.search(
        r"\(# segs: (\d+)\).*\(mean: (-?[\d.]+)\).*\(Z Stat: (-?[\d.]+)\)", (tmp_path / "x.stats.mapsswe").read_text()
    )
    assert result is not None
    ours = mapsswe(evaluation.systems[0].score, evaluation.systems[1].score)
    assert ours.segments == int(result.group(1))
    assert ours.mean == pytest.approx(float(result.group(2)), abs=5e-4)
    assert ours.z == pytest.approx(float(result.group(3)), abs=5e-4)


@needs_sclite
def test_segments_scored_by_time_as_sclite_does(tmp_path: Path) -> None:
    """Two channels, gaps, ignored segments, labels, optional words and alternatives; no middle on a border."""
    draw = random.Random(6)
    stm, ctm = [], []
    for file in range(20):
        for channel in "AB":
            at = 0.0
            for speaker in range(8):
                at, length = at + draw.choice([0, 0, 0.5, 2]), draw.uniform(0.5, 6)
                kinds = [draw.choice("abcdef")] * 5 + [f"({draw.choice('abcdef')})", "{ a / b c / @ }"]
                text = " ".join(draw.choice(kinds) for _ in range(draw.randint(0, 6)))
                text = "IGNORE_TIME_SEGMENT_IN_SCORING" if draw.random() < 0.15 else text
                label = draw.choice(["", "<o,f0,male> "])
                stm.append(f"f{file:02d} {channel} s{speaker} {at:.2f} {at + length:.2f} {label}{text}\n")
                at += length
            time = 0.0
            while time < at + 1:
                time, length = time + draw.uniform(0, 1), draw.uniform(0.05, 0.6)
                ctm.append(f"f{file:02d} {channel} {time:.2f}3 {length:.2f} {draw.choice('abcdef')}\n")
                time += length
    (tmp_path / "x.stm").write_text("".join(stm))
    (tmp_path / "x.ctm").write_text("".join(ctm))
    command = [SCLITE, "-r", "x.stm", "stm", "-h", "x.ctm", "ctm", "-D", "-o", "rsum", "-O", ".", "-n", "x"]
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    line = next(line for line in (tmp_path / "x.raw").read_text().splitlines() if "Sum" in line)
    theirs = [int(number) for number in re.findall(r"\d+", line)]
    score = evaluate(tmp_path / "x.stm", [tmp_path / "x.ctm"], Options(costs="sclite", resamples=100)).systems[0].score
    totals = score.totals
    assert theirs == [
        len(score), totals.reference, totals.hits, totals.substitutions, totals.deletions, totals.insertions,
        totals.errors, score.sentence_errors,
    ]  # fmt: skip
