#!/usr/bin/env bash
# Common Voice, any language: from its downloaded folder to WER. Flags: recipes/common_voice/run.sh --help
# --corpus is the folder of a language (train.tsv, dev.tsv, test.tsv, clips/). LM_TEXT=FILE (plain text, upper case, also
# .gz or .xz) gives the language model more text than the training sentences.
set -euo pipefail
recipe=common_voice
names=(corpus prepare features units train decode score
  "language model" "tune on dev" "decode with language model" "score with language model")
. "$(dirname "$0")/../stages.sh"

stage_0() {
  local tables=("${corpus:-${ASR_CORPORA:-}/common_voice}"/*.tsv)
  [ -f "${tables[0]}" ] || {
    echo "run.sh: error: no .tsv in ${corpus:-\$ASR_CORPORA/common_voice}: download a language from" \
      "commonvoice.mozilla.org (it asks for an e-mail address), unpack it and give its folder with --corpus" >&2
    return 1
  }
}

stage_1() {
  asr prepare common_voice ${from[@]+"${from[@]}"} --out "$data"
  asr validate "$data/train.jsonl"
  asr validate "$data/test.jsonl" --against "$data/train.jsonl"
}

stage_2() { compute_features train dev test; }

stage_3() { make_units; }

stage_4() { train_model; }

stage_5() { decode_greedily test; }

stage_6() { score_set test greedy; }

# From here on: a word 3-gram, its weights tuned on the dev speakers.

stage_7() { asr lm train "${LM_TEXT:-$data/train.jsonl}" --order 3 --out "$expdir/lm3"; }

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
