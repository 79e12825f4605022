#!/usr/bin/env bash
# OpenSLR 1: 60 recordings of one man saying yes and no in Hebrew. Flags: recipes/yesno/run.sh --help
set -euo pipefail
recipe=yesno
names=(download prepare features units train decode score)
. "$(dirname "$0")/../stages.sh"

stage_0() { corpus_path yesno >&2; }

stage_1() {
  local corpus_folder
  corpus_folder=$(corpus_path yesno)
  asr prepare yesno --corpus "$corpus_folder" --out "$data"
  asr validate "$data/train.jsonl"
  asr validate "$data/test.jsonl" --against "$data/train.jsonl" --same-speakers
}

stage_2() { compute_features train dev test; }

stage_3() { make_units; }

stage_4() { train_model; }

stage_5() { decode_greedily test; }

stage_6() { score_set test greedy; }

run_stages
