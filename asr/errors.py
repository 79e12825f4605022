"""Every failure a user can cause or meet: what it is about, why, and what to do about it."""

from __future__ import annotations

from pathlib import Path


class AsrError(Exception):
    """A failure with a subject, a reason and a remedy; the command line prints it as one line.

    Args:
        subject: the file, utterance id, option or key that the failure is about.
        reason: what is wrong with it.
        remedy: what the user can do.
    """

    exit_code = 1

    def __init__(self, subject: str | Path, reason: str, remedy: str) -> None:
        self.subject = str(subject)
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"{subject}: {reason}; {remedy}")

    def __reduce__(self) -> tuple[type[AsrError], tuple[str, ...]]:
        """Make errors cross process borders: Exception's own pickling would pass one argument."""
        return (type(self), (self.subject, self.reason, self.remedy))


class UsageError(AsrError):
    """An option or argument is missing, unknown or out of range."""

    exit_code = 2


class ConfigError(AsrError):
    """A configuration file has an unknown key, a wrong type or a value out of range."""

    exit_code = 2


class MissingExtraError(AsrError):
    """A feature needs a package that only an optional extra installs."""

    exit_code = 2

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(package, "is not installed", f"install it with: pip install 'asr[{extra}]'")

        self.package, self.extra = package, extra

    def __reduce__(self) -> tuple[type[AsrError], tuple[str, ...]]:
        """Its constructor takes other arguments than its parent's."""
        return (type(self), (self.package, self.extra))


class AudioError(AsrError):
    """An audio file is unreadable, truncated, non-finite or over a limit."""


class TableError(AsrError):
    """A CSV or TSV table has rows that cannot be read as they were meant."""


class CorpusError(AsrError):
    """A corpus folder, manifest or transcript does not have the promised form."""


class DownloadError(CorpusError):
    """A corpus could not be downloaded, or what came is not what was expected."""


class FeatureError(AsrError):
    """A feature store is missing, incomplete or does not match the manifest."""


class UnitsError(AsrError):
    """A text cannot be written in the units of a model, or a units file is broken."""


class ModelError(AsrError):
    """A model directory is missing, incomplete or does not match its configuration."""


class CheckpointError(AsrError):
    """A training checkpoint is unreadable or belongs to another experiment."""


class TrainingError(AsrError):
    """Training cannot start or cannot go on."""


class DecodingError(AsrError):
    """Log-probabilities, a language model or a lexicon cannot be decoded with."""


class ScoringError(AsrError):
    """References and hypotheses do not fit each other, or cannot be read."""
