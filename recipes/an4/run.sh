#!/usr/bin/env bash
# CMU AN4: spelled words, names and numbers; from WAV to WER. Flags: recipes/an4/run.sh --help
set -euo pipefail
cd "$(dirname "$0")/../.."
recipe=an4
names=(download prepare features units train decode score)
. recipes/stages.sh

stage_0() { corpus_path an4 >&2; }

stage_1() {
  asr prepare an4 --corpus "$(corpus_path an4)" --out "$data"
  asr validate "$data/train.jsonl"
  asr validate "$data/test.jsonl" --against "$data/train.jsonl"
}

stage_2() { compute_features train dev test; }

stage_3() { asr units "$data/train.jsonl" --out "$data/units.txt" --config "$config"; }

stage_4() { train_model; }

stage_5() { decode_greedily test; }

stage_6() { score_set test greedy; }

run_stages
