# Sourced by every recipe: the common flags, time-stamped stages, and the exit code of a stage that fails.
#
# A recipe sets `recipe=NAME` and `names`, a description of each stage, sources this file with its arguments, defines
# functions stage_0 ... stage_N, and calls `run_stages` as a command of its own (bash forgets `set -e` in a condition).
# In a stage every command counts: assign the output of a command to a variable before it becomes an argument, because
# bash passes over the exit code of `asr VERB "$(asr download ...)"`.
#
# Everything runs in the checkout; paths given as flags are the caller's.

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
  --units KIND       characters, words, bpe or phones (default: of the configuration); give phones a --data and an
                     --expdir of their own
  --seed N           random seed (default: of the configuration)
  --set KEY=VALUE    override a setting of the configuration, repeatable
TEXT
}

wrong_usage() { echo "run.sh: error: $*; see --help" >&2; exit 2; }

# An absolute path: a relative one starts in the folder from which the recipe was called.
of_caller() { case "$1" in ""|/*) printf '%s' "$1" ;; *) printf '%s' "$caller/$1" ;; esac; }

# Where bash has it (4.4 and newer), `set -e` also counts inside of "$(...)".
shopt -s inherit_errexit 2>/dev/null || true
unset CDPATH
caller=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for variable in ASR_CORPORA LM_TEXT NOISE; do
  [ -z "${!variable:-}" ] || export "$variable=$(of_caller "${!variable}")"
done

last=$((${#names[@]} - 1))
stage=0 stop_stage=$last skip_stages="" nj="" ngpu="" corpus="" init="" seed="" settings=()
data="data/$recipe" expdir="exp/$recipe" config="conf/$recipe.yaml" units="" language="${language:-en-us}"
while [ $# -gt 0 ]; do
  case "$1" in
    --*=*)
      argument=$1
      shift
      set -- "${argument%%=*}" "${argument#*=}" "$@" ;;
  esac
  flag=${1//_/-}
  case "$flag" in
    -h|--help) usage; exit 0 ;;
    --stage|--stop-stage|--skip-stages|--nj|--ngpu|--corpus|--data|--expdir|--config|--init|--units|--seed|--set)
      [ $# -ge 2 ] || wrong_usage "$flag needs a value" ;;
    *) wrong_usage "unknown flag $1" ;;
  esac
  [ -n "$2" ] || [ "$flag" = --skip-stages ] || wrong_usage "$flag has an empty value"
  case "$flag" in
    --stage) stage=$2 ;;
    --stop-stage) stop_stage=$2 ;;
    --skip-stages) skip_stages=$2 ;;
    --nj) nj=$2 ;;
    --ngpu) ngpu=$2 ;;
    --corpus) corpus=$(of_caller "$2") ;;
    --data) data=$(of_caller "$2") ;;
    --expdir) expdir=$(of_caller "$2") ;;
    --config) config=$(of_caller "$2") ;;
    --init) init=$(of_caller "$2") ;;
    --units) units=$2 ;;
    --seed) seed=$2 ;;
    --set) settings+=(--set "$2") ;;
  esac
  shift 2
done
for number in "$stage" "$stop_stage" "${nj:-1}" "${ngpu:-0}" "${seed:-0}" $skip_stages; do
  case "$number" in
    *[!0-9]*|??????????*) wrong_usage "'$number' is not a whole number" ;;
  esac
done
[ "$stage" -le "$last" ] || wrong_usage "there is no stage $stage: the last one is $last"
[ "$stage" -le "$stop_stage" ] || wrong_usage "--stage $stage comes after --stop-stage $stop_stage"
[ "${nj:-1}" -ge 1 ] || wrong_usage "--nj needs a process at least"
for number in $skip_stages; do
  [ "$number" -le "$last" ] || wrong_usage "there is no stage $number to skip: the last one is $last"
done
case "$units" in ""|characters|words|bpe|phones) ;; *) wrong_usage "'$units' is no kind of units" ;; esac
[ -f "$config" ] || wrong_usage "there is no configuration $config"
nj=${nj:-$(getconf _NPROCESSORS_ONLN)}
case "$ngpu" in "") device=(--device auto) ;; 0) device=(--device cpu) ;; *) device=(--device cuda) ;; esac
[ -z "$units" ] || settings+=(--set "units.kind=$units")
[ -z "$seed" ] || settings+=(--set "seed=$seed")
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

# Stage "units": the inventory of the training text; of phones after a lexicon of the words of train and dev.
make_units() {
  if [ "$units" = phones ]; then
    settings+=(--set "units.language=$language")
    asr lexicon "$data/train.jsonl" "$data/dev.jsonl" --language "$language" --out "$data/lexicon.txt"
  fi
  asr units "$data/train.jsonl" --out "$data/units.txt" --config "$config" ${settings[@]+"${settings[@]}"}
}

# lm_lexicon LM: of phones, the words of a language model and how they are said, for stages after it as ${lexicon[@]}
lexicon=()
lm_lexicon() {
  [ "$units" = phones ] || return 0
  lexicon=(--lexicon "$expdir/lexicon.txt")
  asr lexicon "$1" --like "$data/lexicon.txt" --units "$data/units.txt" --language "$language" --out "$expdir/lexicon.txt"
}

train_model() {
  asr train --data "$data" --exp "$expdir" --config "$config" ${settings[@]+"${settings[@]}"} "${device[@]}" --resume \
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
  local number skipped code
  for number in "${!names[@]}"; do
    [ "$number" -ge "$stage" ] && [ "$number" -le "$stop_stage" ] || continue
    for skipped in $skip_stages; do [ "$skipped" -ne "$number" ] || continue 2; done
    echo "$(date '+%Y-%m-%d %H:%M:%S') stage $number: ${names[$number]}" >&2
    set +e # not `(...) || code=$?`: after || bash takes no notice of `set -e` inside the brackets either
    (set -euo pipefail; "stage_$number")
    code=$?
    set -e
    if [ "$code" -ne 0 ]; then
      [ "$code" -ne 130 ] || { echo "run.sh: interrupted; go on with --stage $number" >&2; exit 130; }
      echo "run.sh: error: stage $number (${names[$number]}) failed with exit code $code; mend it and" \
        "run again with --stage $number" >&2
      exit "$code"
    fi
  done
}
