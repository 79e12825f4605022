"""The whole experiment as one typed object, to and from YAML.

Precedence: defaults here < the YAML file < `--set section.key=value`. An unknown key, a wrong type or a value out of
range is a ConfigError that names the key. The resolved configuration is written beside the checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, model_validator

from asr.config.augmentation import AugmentationConfig
from asr.config.base import Section
from asr.config.sections import (
    BatchingConfig,
    DecodingConfig,
    FeatureConfig,
    ModelConfig,
    ShardsConfig,
    TrainingConfig,
    UnitsConfig,
)
from asr.errors import ConfigError
from asr.files import atomic_write


class ExperimentConfig(Section):
    """One recipe's settings, complete."""

    name: str = "experiment"
    seed: int = Field(1, ge=0)
    licence: str = Field("not stated", description="of the training data; copied into the model card")
    features: FeatureConfig = FeatureConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    units: UnitsConfig = UnitsConfig()
    model: ModelConfig = ModelConfig()
    batching: BatchingConfig = BatchingConfig()
    shards: ShardsConfig = ShardsConfig()
    training: TrainingConfig = TrainingConfig()
    decoding: DecodingConfig = DecodingConfig()

    @model_validator(mode="after")
    def _consistent(self) -> ExperimentConfig:
        if self.augmentation.frequency_mask_bins > self.features.mel_bins:
            raise ValueError("augmentation.frequency_mask_bins is wider than features.mel_bins")
        if self.features.source == "store" and (effects := self.augmentation.needing_waves):
            reason = "changes waveforms, and the feature store holds none"
            raise ConfigError(f"augmentation.{effects[0]}", reason, "set features.source=audio")
        return self


def load_config(path: str | Path | None = None, settings: Iterable[str] = ()) -> ExperimentConfig:
    """Read an experiment configuration.

    Args:
        path: YAML file; None starts from the defaults.
        settings: "section.key=value" strings; the value is read as YAML.

    Raises:
        ConfigError: unreadable file, unknown key, wrong type, value out of range.
    """
    tree: dict[str, Any] = {}
    if path is not None:
        tree = _read_yaml(Path(path))
    for setting in settings:
        _apply_setting(tree, setting)
    try:
        return ExperimentConfig.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "configuration"
        raise ConfigError(key, _reason(first), f"see {path or 'conf/'} and asr/config/sections.py") from None


def save_config(config: Section, path: str | Path) -> None:
    """Write every setting, defaults included, as YAML."""
    with atomic_write(path) as stream:
        yaml.safe_dump(config.model_dump(), stream, sort_keys=False, allow_unicode=True)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(path, error.strerror or str(error), "give the path of a YAML file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(path, f"is not YAML ({' '.join(str(error).split())})", "correct the file") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(path, "is not a mapping of sections", "begin with lines like 'training:'")
    return tree


def _apply_setting(tree: dict[str, Any], setting: str) -> None:
    key, equals, value = setting.partition("=")
    if not equals or not key:
        raise ConfigError(setting, "is not of the form section.key=value", "write for example --set training.epochs=40")
    *sections, last = key.split(".")
    node = tree
    for section in sections:
        child = node.setdefault(section, {})
        if not isinstance(child, dict):
            raise ConfigError(key, f"{section} is not a section", "see asr/config/sections.py for the known keys")
        node = child
    node[last] = yaml.safe_load(value)


def _reason(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown configuration key"
    return f"{error['msg'][0].lower()}{error['msg'][1:]} (given: {error.get('input')!r})"
