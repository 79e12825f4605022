#!/usr/bin/env bash
# CMU AN4: spelled words, names and numbers; from WAV to WER. Flags: recipes/an4/run.sh --help
set -euo pipefail
recipe=an4
names=(download prepare features units train decode score
  "language models" "tune on dev" "decode with language models" "score with language models")
. "$(dirname "$0")/../stages.sh"

stage_0() { corpus_path an4 >&2; }

stage_1() {
  local corpus_folder
  corpus_folder=$(corpus_path an4)
  asr prepare an4 --corpus "$corpus_folder" --out "$data"
  asr validate "$data/train.jsonl"
  asr validate "$data/test.jsonl" --against "$data/train.jsonl"
}

stage_2() { compute_features train dev test; }

stage_3() { make_units; }

stage_4() { train_model; }

stage_5() { decode_greedily test; }

stage_6() { score_set test greedy; }

# From here on: language models of AN4's own training text, weights tuned on the dev speakers only.

stage_7() {
  local corpus_folder
  corpus_folder=$(corpus_path an4)
  asr lm train "$data/train.jsonl" --order 3 --out "$expdir/lm3"
  asr lm train "$data/train.jsonl" --lstm --dev "$data/dev.jsonl" --out "$expdir/lstm" --resume --device cpu \
    --set epochs=30 --set embedding=64 --set hidden=128 --set layers=1 --set batch_tokens=256 --set dropout=0.5 \
    --set patience=5
  # The words of the corpus's own dictionary, without its phones and variants such as A(2).
  awk '{ sub(/\(.*/, "", $1); print $1 }' "$corpus_folder/etc/an4.dic" | sort -u > "$expdir/words.txt"
}

stage_8() {
  decode_greedily dev
  local dev="$expdir/decode_dev_greedy"
  asr tune "$dev/log_probs.npz" --ref "$dev/ref.trn" --lm "$expdir/lm3" --betas -4:3:0.5 --out "$expdir/tune_lm3" \
    --nj "$nj"
  asr tune "$dev/log_probs.npz" --ref "$dev/ref.trn" --lm "$expdir/lm3" --lexicon "$expdir/words.txt" \
    --betas -4:3:0.5 --out "$expdir/tune_lexicon" --nj "$nj"
  asr export --model "$expdir/model" --lm "$expdir/lm3" --tuned "$expdir/tune_lm3" --out "$expdir/model_lm3"
  asr export --model "$expdir/model" --lm "$expdir/lm3" --tuned "$expdir/tune_lexicon" \
    --lexicon "$expdir/words.txt" --out "$expdir/model_lexicon"
}

# decode_as NAME SET MODEL [flags]: hypotheses into $expdir/decode_SET_NAME
decode_as() {
  local name=$1 set=$2 model=$3
  shift 3
  asr decode "$data/$set.jsonl" --model "$model" --features "$data/features/$set" \
    --out "$expdir/decode_${set}_$name" --nj "$nj" "${device[@]}" "$@"
}

stage_9() {
  decode_as beam test "$expdir/model" --beam-size 32
  decode_as lm3 test "$expdir/model_lm3" --nbest 50
  decode_as lexicon test "$expdir/model_lexicon"
  decode_as lm3 dev "$expdir/model_lm3" --nbest 50
  mkdir -p "$expdir/decode_test_lstm"
  asr lm rescore "$expdir/decode_test_lm3/nbest.jsonl" --lstm "$expdir/lstm" \
    --tune-nbest "$expdir/decode_dev_lm3/nbest.jsonl" --manifest "$data/dev.jsonl" \
    --out "$expdir/decode_test_lstm/hyp.jsonl"
}

stage_10() {
  local name
  for name in beam lm3 lexicon; do
    echo "test set, $name:"
    score_set test "$name"
  done
  echo "test set, n-best of lm3 rescored with the LSTM:"
  asr score -r "$expdir/decode_test_lm3/ref.trn" -h "$expdir/decode_test_lstm/hyp.jsonl" |
    tee "$expdir/decode_test_lstm/result.txt"
}

run_stages
