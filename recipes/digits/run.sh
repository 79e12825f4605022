#!/usr/bin/env bash
# The demo: synthetic connected digits, generated on the spot; trains in about two minutes on two cores.
# Flags: recipes/digits/run.sh --help
set -euo pipefail
recipe=digits
names=(download prepare features units train decode score transcribe)
. "$(dirname "$0")/../stages.sh"

stage_0() { echo "nothing to download: the digits are spoken by espeak-ng" >&2; }

stage_1() {
  asr prepare digits --out "$data"
  asr validate "$data/train.jsonl"
  asr validate "$data/test.jsonl"
}

stage_2() { compute_features train dev test; }

stage_3() { make_units; }

stage_4() { train_model; }

stage_5() { decode_greedily test; }

stage_6() {
  echo "word error rate on synthetic voices that were not heard in training:"
  score_set test greedy
}

stage_7() {
  local recording
  recording=$(sed -n '1s/.*"audio": *"\([^"]*\)".*/\1/p' "$data/test.jsonl")
  case "$recording" in /*) ;; *) recording="$data/$recording" ;; esac
  echo "transcript of $recording:"
  asr transcribe "$recording" --model "$expdir/model"
  echo "now try your own: .venv/bin/asr transcribe YOUR.wav --model $expdir/model"
}

run_stages
