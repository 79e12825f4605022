#!/usr/bin/env bash
# English of many voices: 12 hours of free recordings, phones, CTC and then CTC-CRF. Flags: recipes/english/run.sh --help
# LM_TEXT=FILE gives the language model its text; NOISE=DIR are recordings of noise to train with.
# The corpora lie in the folders of $ASR_CORPORA: librispeech, common_voice_en, kathleen, speechocean762, noise.
set -euo pipefail
recipe=english
names=(download prepare "lexicon and units" "train with CTC" "train with CTC-CRF" "language model" "tune on dev"
  decode score)
. "$(dirname "$0")/../stages.sh"
units=phones

noise="${NOISE:-${ASR_CORPORA:-}/noise/esc10}"
[ ! -d "$noise" ] || settings+=(--set "augmentation.noise={probability: 0.35, folder: $noise, snr_db: [5, 25]}")

stage_0() { [ -n "${ASR_CORPORA:-}" ] || { echo "set ASR_CORPORA to the folder of the corpora" >&2; exit 1; }; }

stage_1() {
  local root="$ASR_CORPORA/librispeech" more=() path
  for path in "$root"/LibriSpeech/train-*; do more+=(--train-subset "${path##*/}"); done
  path=$(cd "$root/LibriSpeech" && ls -d test-clean* | head -n 1)
  asr prepare librispeech --corpus "$root" --out "$data/librispeech-all" "${more[@]}" --test-subset "$path"
  asr prepare librispeech --corpus "$root" --out "$data/librispeech" --train-subset train-clean-5 --test-subset "$path"
  python recipes/english/merge.py "$ASR_CORPORA" "$data" "$data"/librispeech-all/train-*.jsonl
}

stage_2() { make_units; }

stage_3() { train_model; }

# Begun from the CTC model, two epochs at a small rate.
stage_4() {
  asr train --data "$data" --exp "$expdir/crf" --config "$config" ${settings[@]+"${settings[@]}"} "${device[@]}" --resume \
    --init "$expdir/model" --set training.criterion=ctc-crf --set training.ctc_weight=0.1 --set training.epochs=2 \
    --set training.learning_rate=0.0005
}

stage_5() {
  local text="${LM_TEXT:-$data/train.jsonl}"
  asr lm train "$text" --order 3 --cutoffs 0,0,1 --out "$expdir/lm3"
  asr lm prune "$expdir/lm3" "$expdir/lm3-pruned" --threshold 5e-7
  asr lexicon "$text" "$data/train.jsonl" --least 3 --units "$data/units.txt" --out "$expdir/lexicon.txt"
}

stage_6() {
  asr decode "$data/dev.jsonl" --model "$expdir/crf/model" --out "$expdir/decode_dev" "${device[@]}"
  asr tune "$expdir/decode_dev/log_probs.npz" --ref "$expdir/decode_dev/ref.trn" --lm "$expdir/lm3-pruned" \
    --lexicon "$expdir/lexicon.txt" --out "$expdir/tune" --nj "$nj"
  asr export --model "$expdir/crf/model" --lm "$expdir/lm3-pruned" --tuned "$expdir/tune" \
    --lexicon "$expdir/lexicon.txt" --out "$expdir/model_lm3"
}

stage_7() {
  local set
  for set in test test-common-voice; do
    asr decode "$data/$set.jsonl" --model "$expdir/model_lm3" --out "$expdir/decode_${set}_lm3" --nj "$nj" "${device[@]}"
  done
}

stage_8() {
  score_set test lm3
  score_set test-common-voice lm3
}

run_stages
