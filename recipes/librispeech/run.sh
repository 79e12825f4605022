#!/usr/bin/env bash
# Mini LibriSpeech: trains on train-clean-5, holds speakers of it out as dev set, and tests on TEST_SUBSET
# (environment variable, default dev-clean-2). Flags: recipes/librispeech/run.sh --help
set -euo pipefail
cd "$(dirname "$0")/../.."
recipe=librispeech
test_subset=${TEST_SUBSET:-dev-clean-2}
names=(download prepare features units train decode score)
. recipes/stages.sh

stage_0() { corpus_path librispeech --subset train-clean-5 --subset "$test_subset" >&2; }

stage_1() {
  asr prepare librispeech --corpus "$(corpus_path librispeech --subset train-clean-5 --subset "$test_subset")" \
    --train-subset train-clean-5 --test-subset "$test_subset" --out "$data"
  asr validate "$data/train.jsonl"
  asr validate "$data/test.jsonl" --against "$data/train.jsonl"
}

stage_2() { compute_features train dev test; }

stage_3() { asr units "$data/train.jsonl" --out "$data/units.txt" --config "$config"; }

stage_4() { train_model; }

stage_5() { decode_greedily test; }

stage_6() { score_set test greedy; }

run_stages
