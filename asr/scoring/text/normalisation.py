"""Named text normalisation: rules read from YAML, applied to references and hypotheses alike."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from asr.errors import ConfigError, UsageError
from asr.scoring.text.numbers import read_out

PROFILES = Path(__file__).with_name("profiles")
RULES = 2
"""Raised whenever the code of the rules, or a profile of the package, gives another text than before."""
APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼʻ‛′ʹ´＇`", "'"))
VULGAR = re.compile(r"(?<=\d)\s?(?=[¼-¾⅐-⅞])")
"""Where 2½ would become 21/2."""
VARIATION = re.compile("[\ufe00-\ufe0f\u180b-\u180f\U000e0100-\U000e01ef]")
LOOSE_APOSTROPHE = re.compile(r"(?<!\w)'+|'+(?!\w)")
BRACKETED = re.compile(r"\[[^\]]*\]|<[^>]*>|\([^)]*\)|\{[^}]*\}")


class Profile(BaseModel):
    """Rules in the order in which they are applied. The default changes nothing but white space.

    Attributes:
        name: what the result prints.
        version: raised by its author when its rules change; printed with every result.
        invisible: "remove" drops what cannot be seen: soft hyphens, zero-width characters, marks of direction.
        unicode: canonical form of the characters; "NFKC" also folds full-width letters and ligatures.
        case: "lower", "upper", or "fold", which also makes ß and ss equal.
        accents: "remove" drops the marks above and below letters.
        brackets: "remove" drops [noise], <unk>, (laughter) and {tags} with what is inside.
        replace: regular expression -> replacement, in order, over the whole text.
        numbers: "english" reads digits out in words.
        punctuation: "remove" turns punctuation and symbols into blanks and keeps apostrophes inside words.
        words: word -> words, for contractions and spelling; "" drops the word.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "none"
    version: str = "1"
    invisible: Literal["keep", "remove"] = "keep"
    unicode: Literal["keep", "NFC", "NFKC"] = "keep"
    case: Literal["keep", "lower", "upper", "fold"] = "keep"
    accents: Literal["keep", "remove"] = "keep"
    brackets: Literal["keep", "remove"] = "keep"
    replace: dict[str, str] = Field(default_factory=dict)
    numbers: Literal["keep", "english"] = "keep"
    punctuation: Literal["keep", "remove"] = "keep"
    words: dict[str, str] = Field(default_factory=dict)

    @field_validator("replace")
    @classmethod
    def _compiles(cls, rules: dict[str, str]) -> dict[str, str]:
        for pattern, replacement in rules.items():
            try:
                re.sub(pattern, replacement, "")
            except re.error as error:
                raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
        return rules

    @cached_property
    def changes_nothing(self) -> bool:
        return self.model_dump(exclude={"name", "version"}) == Profile().model_dump(exclude={"name", "version"})

    @cached_property
    def digest(self) -> str:
        """Twelve hexadecimal digits of the rules: results of different digests cannot be compared."""
        rules = self.model_dump(exclude={"name", "version"})
        told = json.dumps([RULES if not self.changes_nothing else 0, rules], sort_keys=False, ensure_ascii=True)
        return hashlib.sha256(told.encode()).hexdigest()[:12]

    @property
    def label(self) -> str:
        """ "basic 1 (3f2a9c01d5e7)": name, version and digest."""
        return f"{self.name} {self.version} ({self.digest})"

    def apply(self, text: str) -> str:
        """Normalise one text; the result has single blanks and none at its ends."""
        if self.invisible == "remove" and not text.isascii():
            text = without_invisible(text)
        if self.numbers == "english" and not text.isascii():
            text = VULGAR.sub(" and ", text)
        if self.unicode != "keep":
            text = unicodedata.normalize(self.unicode, text)
        if self.case != "keep":
            text = _cased(text, self.case)
        if self.accents == "remove" and not text.isascii():
            text = without_accents(text)
        if self.brackets == "remove":
            text = BRACKETED.sub(" ", text)
        for pattern, replacement in self.replace.items():
            text = re.sub(pattern, replacement, text)
        if self.numbers == "english":
            text = read_out(text)
        if self.punctuation == "remove":
            text = without_punctuation(text)
        words = text.split()
        if self.words:
            words = [self.words.get(word, word) for word in words]
        return " ".join(filter(None, words))

    def apply_all(self, texts: Iterable[str]) -> list[str]:
        """Normalise texts, each different one once."""
        if self.changes_nothing:
            return list(texts)
        known: dict[str, str] = {}
        return [known[text] if text in known else known.setdefault(text, self.apply(text)) for text in texts]


def named_profile(name: str) -> Profile:
    """A profile of the package (`none`, `basic`, `english`) or one read from a YAML file.

    Raises:
        UsageError: there is no such profile or file.
        ConfigError: the file has an unknown key, a wrong value or a broken regular expression.
    """
    path = PROFILES / f"{name}.yaml"
    if not path.is_file():
        path = Path(name)
    if not path.is_file():
        known = ", ".join(profile_names())
        raise UsageError(f"profile {name}", "is not known and is no file", f"use {known}, or a YAML file")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(path, f"is not YAML ({error})", "write it like asr/scoring/profiles/english.yaml") from error
    return profile_from(content or {}, path)


def profile_from(content: object, path: Path) -> Profile:
    """Check the content of a profile file."""
    if not isinstance(content, dict):
        raise ConfigError(path, "is not a mapping", "write 'key: value' lines")
    try:
        return Profile.model_validate({"name": path.stem, **content})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        allowed = ", ".join(Profile.model_fields)
        raise ConfigError(f"{path}: {key}", first["msg"].lower(), f"the keys are {allowed}") from error


def profile_names() -> list[str]:
    """Names of the profiles in the package."""
    return sorted(path.stem for path in PROFILES.glob("*.yaml"))


def without_invisible(text: str) -> str:
    """Drop format characters (category Cf) and variation selectors."""
    return VARIATION.sub("", "".join(c for c in text if unicodedata.category(c) != "Cf"))


def _cased(text: str, case: str) -> str:
    if case == "fold":  # a dotted capital I folds to i and a dot of its own
        return text.casefold().replace("i\u0307", "i")
    return text.lower() if case == "lower" else text.upper()


def without_accents(text: str) -> str:
    """Drop the marks above and below letters."""
    apart = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(c for c in apart if unicodedata.category(c) != "Mn"))


def without_punctuation(text: str) -> str:
    """Turn punctuation and symbols into blanks; apostrophes inside words stay, in one form."""
    text = text.translate(APOSTROPHES)
    text = "".join(" " if c != "'" and unicodedata.category(c)[0] in "PS" else c for c in text)
    return LOOSE_APOSTROPHE.sub(" ", text)
