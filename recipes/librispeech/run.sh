#!/usr/bin/env bash
# Mini LibriSpeech: five hours of read books; from FLAC to WER. Flags: recipes/librispeech/run.sh --help
# LM_TEXT=FILE (plain text, upper case, also .gz or .xz) gives stage 7 more text than the training transcripts.
set -euo pipefail
recipe=librispeech
names=(download prepare features units train decode score
  "language model" "tune on dev" "decode with language model" "score with language model")
. "$(dirname "$0")/../stages.sh"

# reported FOLDER: mini LibriSpeech's own dev-clean-2 unless the corpus at hand has a part of test-clean.
reported() {
  local subset
  for subset in test-clean test-clean-a; do
    [ ! -d "$1/LibriSpeech/$subset" ] || { echo "$subset"; return; }
  done
  echo dev-clean-2
}

stage_0() { corpus_path librispeech >&2; }

stage_1() {
  local corpus_folder test_subset
  corpus_folder=$(corpus_path librispeech)
  test_subset=$(reported "$corpus_folder")
  asr prepare librispeech --corpus "$corpus_folder" --out "$data" \
    --train-subset train-clean-5 --test-subset "$test_subset"
  asr validate "$data/train.jsonl"
  asr validate "$data/test.jsonl" --against "$data/train.jsonl"
}

stage_2() { compute_features train dev test; }

stage_3() { make_units; }

stage_4() { train_model; }

stage_5() { decode_greedily test; }

stage_6() { score_set test greedy; }

# From here on: a word 3-gram, its weights tuned on the training speakers held out as dev.

stage_7() {
  local text=$data/train.jsonl
  [ -z "${LM_TEXT:-}" ] || text=$(of_caller "$LM_TEXT")
  asr lm train "$text" --order 3 --out "$expdir/lm3"
}

stage_8() {
  decode_greedily dev
  local dev="$expdir/decode_dev_greedy"
  lm_lexicon "$expdir/lm3"
  asr tune "$dev/log_probs.npz" --ref "$dev/ref.trn" --lm "$expdir/lm3" ${lexicon[@]+"${lexicon[@]}"} \
    --out "$expdir/tune_lm3" --nj "$nj"
  asr export --model "$expdir/model" --lm "$expdir/lm3" --tuned "$expdir/tune_lm3" \
    ${lexicon[@]+"${lexicon[@]}"} --out "$expdir/model_lm3"
}

stage_9() {
  asr decode "$data/test.jsonl" --model "$expdir/model_lm3" --features "$data/features/test" \
    --out "$expdir/decode_test_lm3" "${device[@]}"
}

stage_10() { score_set test lm3; }

run_stages
