"""A model folder with everything that transcribing needs: weights, tuned search, language model, calibration."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml
from pydantic import ValidationError

from asr.config.experiment import load_config, save_config
from asr.config.sections import DecodingConfig
from asr.errors import ConfigError, UsageError
from asr.files import atomic_directory
from asr.model.files import CONFIG, WEIGHTS, read_model_files
from asr.transcribing.choosing import CONFIDENCE, LEXICON, LM, load_recognizer

TUNED = "tuned.yaml"


def export_model(
    model: str | Path,
    out: str | Path,
    *,
    lm: Path | None = None,
    lexicon: Path | None = None,
    tuned: Path | None = None,
    beam: int = 32,
) -> Path:
    """Write a model folder that decodes with a beam search by itself.

    Args:
        model: model folder to start from; left as it is.
        out: new folder; an older model there is replaced once the new one is whole.
        lm: language-model folder or ARPA file.
        lexicon: file of the only words that may be recognised.
        tuned: folder that `asr tune` wrote; its weights, thresholds and calibration are taken over.
        beam: width of the search.

    Raises:
        UsageError: `out` is a folder of something else.
        AsrError: what was given cannot be decoded with together.
    """
    from asr.lm.files import load_lm

    model, out = Path(model), Path(out)
    if out.exists() and not (out / WEIGHTS).is_file():
        raise UsageError(out, "exists and is not a model folder", "choose another --out")
    read_model_files(model)  # names what is wrong with it before anything is copied
    decoding = _tuned_settings(tuned, beam)
    with atomic_directory(out) as folder:
        shutil.copytree(model, folder, dirs_exist_ok=True)
        config = load_config(folder / CONFIG)
        save_config(config.model_copy(update={"decoding": decoding}), folder / CONFIG)
        if lm is not None:
            load_lm(lm).save(folder / LM)
        if lexicon is not None:
            shutil.copyfile(lexicon, folder / LEXICON)
        if tuned is not None and (tuned / CONFIDENCE).is_file():
            shutil.copyfile(tuned / CONFIDENCE, folder / CONFIDENCE)
        load_recognizer(folder, device="cpu")  # refuses what does not fit together
    return out


def _tuned_settings(tuned: Path | None, beam: int) -> DecodingConfig:
    if tuned is None:
        return DecodingConfig(decoder="beam", beam=beam)
    path = tuned / TUNED
    try:
        section = yaml.safe_load(path.read_text(encoding="utf-8"))["decoding"]
        return DecodingConfig.model_validate({"beam": beam, **section})
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValidationError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            path, f"is not what 'asr tune' writes ({reason})", "give the --out folder of 'asr tune'"
        ) from None
