"""References with a choice: alternatives `{ a / b c / @ }` and optional words `(uh)`, aligned as NIST's sclite does.

Shapes: I arcs of the reference network, J hypothesis words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from asr.errors import ScoringError
from asr.scoring.rates.alignment import COSTS, DELETION, INSERTION, OPTIONAL, SUBSTITUTION

NULL = "@"
SCALE = 1000
NULL_COST = 1
"""Passing over an empty alternative; a thousandth of a unit as in sclite, so that it only breaks ties."""
DEEPEST = 50
OPTIONAL_SHARE = 2 / 3
"""Leaving out an optional word costs two thirds of a deletion, as in sclite."""
MARKUP = re.compile(r"[{}]|(?<!\S)\([^\s()]+\)(?!\S)")
TOKEN = re.compile(r"[{}]|[^\s{}]+")


@dataclass(frozen=True, slots=True)
class Arc:
    """A word of the network; `before` are the arcs that may stand before it, -1 the beginning."""

    word: str
    optional: bool
    before: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Network:
    """Arcs in an order in which each stands after those before it, and the arcs that may be last."""

    arcs: list[Arc]
    last: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """The reading of a network nearest to a hypothesis: its words, and edits (kind, reference, hypothesis position)."""

    words: list[str]
    edits: list[tuple[int, int, int]]


def has_markup(text: str) -> bool:
    """Whether a reference holds alternatives or optional words."""
    return MARKUP.search(text) is not None


def parse_network(where: str, text: str, normalise: Callable[[str], str] = str.strip) -> Network:
    """Read a reference with its markup.

    Args:
        where: the utterance, for messages.
        text: words, `{ one / another / @ }` with `@` for nothing, nested at will, `(word)` for an optional word.
        normalise: applied to each word; what it turns into several words becomes several arcs, into none becomes none.

    Raises:
        ScoringError: braces do not match.
    """
    tokens, arcs = TOKEN.findall(text), list[Arc]()

    def add(word: str, optional: bool, before: tuple[int, ...]) -> tuple[int, ...]:
        words = [NULL] if word == NULL else normalise(word).split()
        for part in words:
            arcs.append(Arc(part, optional, before))
            before = (len(arcs) - 1,)
        return before

    def sequence(at: int, before: tuple[int, ...], depth: int) -> tuple[int, tuple[int, ...]]:
        while at < len(tokens) and not (depth and tokens[at] in ("/", "}")):
            if tokens[at] == "{":
                at, before = alternatives(at + 1, before, depth + 1)
            elif tokens[at] == "}":
                raise ScoringError(where, "has } without {", "write alternatives as { a / b }")
            else:
                optional = re.fullmatch(r"\(.+\)", tokens[at]) is not None
                before = add(tokens[at][1:-1] if optional else tokens[at], optional, before)
                at += 1
        return at, before

    def alternatives(at: int, before: tuple[int, ...], depth: int) -> tuple[int, tuple[int, ...]]:
        ends: tuple[int, ...] = ()
        if depth > DEEPEST:
            raise ScoringError(where, f"has {{ nested deeper than {DEEPEST}", "write alternatives side by side")
        while True:
            at, end = sequence(at, before, depth)
            ends += tuple(arc for arc in end if arc not in ends)
            if at >= len(tokens):
                raise ScoringError(where, "has { without }", "write alternatives as { a / b }")
            at += 1
            if tokens[at - 1] == "}":
                return at, ends

    _, last = sequence(0, (-1,), 0)
    return Network(arcs, last)


def nearest_reading(network: Network, hypothesis: list[str], costs: str) -> Reading:
    """Align a network with a hypothesis; of equally cheap alignments the one that sclite takes.

    sclite's programme runs over arcs in place of positions (SCTK, src/sclite/net_dp.c). Row 0 is the beginning.
    """
    sub, dele, ins = (SCALE * cost for cost in COSTS[costs])
    first_row = [j * ins for j in range(len(hypothesis) + 1)]
    cost = [first_row]
    back: list[list[tuple[int, int]]] = [[(0, max(0, j - 1)) for j in range(len(hypothesis) + 1)]]
    for arc in network.arcs:
        leave = NULL_COST if arc.word == NULL else round(dele * OPTIONAL_SHARE) if arc.optional else dele
        rows = [position + 1 for position in arc.before]
        above = min(rows, key=lambda row: cost[row][0])
        line, steps = [cost[above][0] + leave], [(above, 0)]
        for j, word in enumerate(hypothesis, start=1):
            over = min(rows, key=lambda row: cost[row][j])
            diagonal = min(rows, key=lambda row: cost[row][j - 1])
            across = cost[diagonal][j - 1] + (0 if word == arc.word else sub)
            up, left = cost[over][j] + leave, line[j - 1] + ins
            if across <= up and across <= left:
                line.append(across)
                steps.append((diagonal, j - 1))
            elif up < left:
                line.append(up)
                steps.append((over, j))
            else:
                line.append(left)
                steps.append((len(cost), j - 1))
        cost.append(line)
        back.append(steps)
    return _trace(network, hypothesis, cost, back)


def _trace(
    network: Network, hypothesis: list[str], cost: list[list[int]], back: list[list[tuple[int, int]]]
) -> Reading:
    """Walk back from the cheapest last arc and collect words and edits."""
    row, j = min((position + 1 for position in network.last), key=lambda row: cost[row][-1]), len(hypothesis)
    columns: list[tuple[int | None, str | None]] = []
    while row > 0 or j > 0:
        previous_row, previous_j = back[row][j]
        arc = network.arcs[row - 1] if previous_row != row else None
        kind: int | None = None
        if arc is None:
            kind = INSERTION
        elif previous_j == j:
            kind = OPTIONAL if arc.optional else DELETION
        elif arc.word != hypothesis[j - 1]:
            kind = SUBSTITUTION
        if not (arc is not None and arc.word == NULL and previous_j == j):
            columns.append((kind, arc.word if arc else None))
        row, j = previous_row, previous_j
    words: list[str] = []
    edits: list[tuple[int, int, int]] = []
    heard = 0
    for kind, word in reversed(columns):
        if kind is not None:
            edits.append((kind, len(words), heard))
        words += [word] if word is not None else []
        heard += kind not in (DELETION, OPTIONAL)
    return Reading(words, edits)
