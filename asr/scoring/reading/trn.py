"""trn, NIST's `words (utterance-id)`: ids may hold brackets themselves, and what is written reads back."""

from __future__ import annotations

import re
from collections.abc import Iterator

from asr.errors import ScoringError

UNWRITABLE = re.compile(r"[()\x00-\x1f\x7f\x85\u2028\u2029%]")
"""What is written as %XX in an id that would not read back as it is."""


def read_trn(source: str, content: str) -> Iterator[tuple[str, str]]:
    """(id, words) of each line; a line that is only an id is an empty utterance, a blank line is none.

    The id is what stands in the last brackets of the line that balance: "(take (1))" is the id "take (1)".

    Raises:
        ScoringError: a line does not end with an id in brackets.
    """
    for number, line in enumerate(content.split("\n"), start=1):
        line = line.rstrip()
        if not line or line.startswith(";;"):
            continue
        opening = _opening_bracket(line)
        key = line[opening + 1 : -1].strip()
        if opening < 0 or not key:
            raise ScoringError(
                f"{source} line {number}", "does not end with (utterance-id)", "write 'words (id)', or name the format"
            )
        yield key, line[:opening].strip()


def trn_line(key: str, text: str) -> str:
    """`words (id)` with its line end.

    White space of the text becomes single blanks. An id whose brackets do not balance, or that holds a control
    character, is written with %XX in their place, in every file alike.
    """
    words = " ".join(text.split())
    if words.startswith(";;"):  # would be a comment
        words = " " + words
    return f"{words} ({trn_id(key)})\n"


def trn_id(key: str) -> str:
    """The id as `trn_line` writes it."""
    if (
        key == key.strip()
        and _opening_bracket(f"({key})") == 0
        and not re.search(r"[\x00-\x1f\x7f\x85\u2028\u2029]", key)
    ):
        return key
    return UNWRITABLE.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), key.strip())


def _opening_bracket(line: str) -> int:
    """Where the bracket opens that the last character of the line closes, -1 where none does."""
    if not line.endswith(")"):
        return -1
    at = line.rfind("(")
    if line.find(")", at) == len(line) - 1:  # the usual case, an id without brackets
        return at
    depth = 0
    for place in range(len(line) - 1, -1, -1):
        depth += (line[place] == ")") - (line[place] == "(")
        if depth == 0:
            return place
    return -1
