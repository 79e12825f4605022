#!/usr/bin/env bash
# Free Spoken Digit Dataset: isolated digits of six speakers, 8 kHz. The official split has every speaker in training;
# `--held-out SPEAKER` keeps one speaker out and tests on that speaker alone. Flags: recipes/fsdd/run.sh --help
set -euo pipefail
recipe=fsdd
names=(download prepare features units train decode score)
held_out=""
if [ "${1:-}" = --held-out ] || [ "${1:-}" = --held_out ]; then
  [ -n "${2:-}" ] || { echo "run.sh: error: --held-out needs a speaker" >&2; exit 2; }
  held_out=$2
  shift 2
  checkout=$(cd "$(dirname "$0")/../.." && pwd)
  set -- --data "$checkout/data/fsdd-$held_out" --expdir "$checkout/exp/fsdd-$held_out" "$@"
fi
. "$(dirname "$0")/../stages.sh"

stage_0() { corpus_path fsdd >&2; }

stage_1() {
  local corpus_folder options=()
  corpus_folder=$(corpus_path fsdd)
  [ -z "$held_out" ] || options=(--held-out-speaker "$held_out")
  asr prepare fsdd --corpus "$corpus_folder" --out "$data" ${options[@]+"${options[@]}"}
  asr validate "$data/train.jsonl"
  asr validate "$data/test.jsonl" --against "$data/train.jsonl" --same-speakers
}

stage_2() { compute_features train dev test; }

stage_3() { make_units; }

stage_4() { train_model; }

stage_5() { decode_greedily test; }

stage_6() { score_set test greedy; }

run_stages
