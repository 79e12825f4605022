# Sourced by every recipe: the common flags, time-stamped stages, and the exit code of a stage that fails.
#
# A recipe sets `recipe=NAME`, sources this file with its arguments, defines functions stage_0 ... stage_N with a
# comment line `# NAME` as description in `names`, and calls `run_stages`.

usage() {
  cat >&2 <<TEXT
usage: recipes/$recipe/run.sh [flags]
  --stage N          first stage to run (default 0)
  --stop-stage N     last stage to run (default $((${#names[@]} - 1)))
  --skip-stages "N M" stages to leave out
  --nj N             processes for features, search and tuning (default: number of cores)
  --ngpu N           0 trains on the CPU, 1 on a GPU (default: a GPU where there is one)
  --corpus DIR       the unpacked corpus (default: \$ASR_CORPORA/$recipe, else it is downloaded)
  --data DIR         manifests, features, units (default data/$recipe)
  --expdir DIR       experiment (default exp/$recipe)
  --config FILE      configuration (default conf/$recipe.yaml)
  --init DIR         model folder whose fitting weights to begin training with (default: none)
  --seed N           random seed (default: of the configuration)
  --set KEY=VALUE    override a setting of the configuration, repeatable
TEXT
}

stage=0 stop_stage=99 skip_stages="" nj="" ngpu="" corpus="" init="" seed="" settings=()
data="data/$recipe" expdir="exp/$recipe" config="conf/$recipe.yaml"
while [ $# -gt 0 ]; do
  flag=${1//_/-}
  case "$flag" in
    -h|--help) usage; exit 0 ;;
    --stage|--stop-stage|--skip-stages|--nj|--ngpu|--corpus|--data|--expdir|--config|--init|--seed|--set)
      [ $# -ge 2 ] || { echo "run.sh: error: $flag needs a value" >&2; exit 2; } ;;
    *) echo "run.sh: error: unknown flag $1; see --help" >&2; exit 2 ;;
  esac
  case "$flag" in
    --stage) stage=$2 ;;
    --stop-stage) stop_stage=$2 ;;
    --skip-stages) skip_stages=$2 ;;
    --nj) nj=$2 ;;
    --ngpu) ngpu=$2 ;;
    --corpus) corpus=$2 ;;
    --data) data=$2 ;;
    --expdir) expdir=$2 ;;
    --config) config=$2 ;;
    --init) init=$2 ;;
    --seed) seed=$2 ;;
    --set) settings+=(--set "$2") ;;
  esac
  shift 2
done
for number in "$stage" "$stop_stage" "${nj:-1}" "${ngpu:-0}" "${seed:-0}"; do
  case "$number" in
    ""|*[!0-9]*) echo "run.sh: error: '$number' is not a whole number; see --help" >&2; exit 2 ;;
  esac
done
nj=${nj:-$(getconf _NPROCESSORS_ONLN)}
case "$ngpu" in "") device=(--device auto) ;; 0) device=(--device cpu) ;; *) device=(--device cuda) ;; esac
settings+=(--set "seed=${seed:-$(sed -n 's/^seed: *\([0-9]*\).*/\1/p' "$config")}")
from=()
[ -z "$corpus" ] || from=(--corpus "$corpus")

# The path of a corpus, downloaded when neither --corpus nor $ASR_CORPORA has it.
corpus_path() { asr download "$@" --out downloads ${from[@]+"${from[@]}"}; }

# Stage "features" of most recipes: every set, the training set at every speed of the configuration.
compute_features() {
  local set speeds
  for set in "$@"; do
    speeds=1.0
    [ "$set" != train ] || speeds=config
    asr features "$data/$set.jsonl" --out "$data/features/$set" --config "$config" --speeds "$speeds" --nj "$nj"
  done
}

train_model() {
  asr train --data "$data" --exp "$expdir" --config "$config" "${settings[@]}" "${device[@]}" --resume \
    ${init:+--init "$init"}
}

# decode_greedily SET: hypotheses into $expdir/decode_SET_greedy
decode_greedily() {
  asr decode "$data/$1.jsonl" --model "$expdir/model" --features "$data/features/$1" \
    --out "$expdir/decode_$1_greedy" --nj "$nj" "${device[@]}"
}

# score_set SET DECODER: word and character error rates on stdout, also kept in result.txt; the report is report.html
score_set() {
  local folder="$expdir/decode_$1_$2"
  { asr score -r "$folder/ref.trn" -h "$folder/hyp.trn" --manifest "$data/$1.jsonl" --html "$folder/report.html"
    asr score -r "$folder/ref.trn" -h "$folder/hyp.trn" --cer; } | tee "$folder/result.txt"
}

run_stages() {
  local number code
  for number in "${!names[@]}"; do
    [ "$number" -ge "$stage" ] && [ "$number" -le "$stop_stage" ] || continue
    case " $skip_stages " in *" $number "*) continue ;; esac
    echo "$(date '+%Y-%m-%d %H:%M:%S') stage $number: ${names[$number]}" >&2
    code=0
    (set -euo pipefail; "stage_$number") || code=$?
    if [ "$code" -ne 0 ]; then
      echo "run.sh: error: stage $number (${names[$number]}) failed with exit code $code; mend it and" \
        "run again with --stage $number" >&2
      exit "$code"
    fi
  done
}
