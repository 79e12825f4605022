"""SubRip and WebVTT with whisper's conventions: how words fall into lines and lines into subtitles.

The rules are those of whisper's `--max_line_width` and its kin (openai/whisper, whisper/utils.py), so that the files
are the same for the same words and options. One thing is added: WebVTT asks that `&` and `<` are written `&amp;` and
`&lt;` (W3C WebVTT, section 4.2.1), without which a viewer takes `<s` for a tag.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from asr.decoding.results.hypothesis import Word
from asr.errors import UsageError
from asr.transcribing.transcript import Segment

LONG_PAUSE = 3.0  # seconds between the starts of two words; across it no subtitle runs
WIDEST = 1000  # letters of a line, or words, where no limit is given
Cue = tuple[float, float, str]
"""Start and end in seconds, and the text."""


@dataclass(frozen=True)
class Layout:
    """How words fall into lines and subtitles; without any limit a segment is a subtitle of one line.

    Attributes:
        max_line_width: most letters of a line.
        max_line_count: most lines of a subtitle; with a line width, subtitles run across segments.
        max_words_per_line: most words of a subtitle; a line width goes before it.
        highlight_words: a subtitle for each word, which is underlined while it is said.
    """

    max_line_width: int | None = None
    max_line_count: int | None = None
    max_words_per_line: int | None = None
    highlight_words: bool = False

    def __post_init__(self) -> None:
        for name in ("max_line_width", "max_line_count", "max_words_per_line"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"--{name.replace('_', '-')}", f"{value} is no limit", "give a number from 1")
        if self.max_line_count is not None and self.max_line_width is None:
            raise UsageError("--max-line-count", "has no effect without --max-line-width", "give both")
        if self.max_words_per_line is not None and self.max_line_width is not None:
            raise UsageError("--max-words-per-line", "has no effect beside --max-line-width", "give one of them")


class Markup(NamedTuple):
    """How a format writes a word so that it is no mark-up, and who speaks."""

    word: Callable[[str], str]
    speaker: str


def srt(segments: Iterable[Segment], layout: Layout) -> Iterator[str]:
    """Numbered subtitles, `00:00:01,000 --> 00:00:02,000`."""
    markup = Markup(lambda text: text.replace("-->", "->"), "[{}]: ")
    for number, (start, end, text) in enumerate(cues(segments, layout, markup), start=1):
        yield f"{number}\n{clock(start, ',')} --> {clock(end, ',')}\n{text}\n\n"


def vtt(segments: Iterable[Segment], layout: Layout) -> Iterator[str]:
    """The header and the cues, `00:01.000 --> 00:02.000`, hours only where there are any; speakers as voice tags."""
    markup = Markup(lambda text: text.replace("-->", "->").replace("&", "&amp;").replace("<", "&lt;"), "<v {}>")
    yield "WEBVTT\n\n"
    for start, end, text in cues(segments, layout, markup):
        yield f"{clock(start, '.', hours=False)} --> {clock(end, '.', hours=False)}\n{text}\n\n"


def clock(seconds: float, mark: str, hours: bool = True) -> str:
    """`HH:MM:SS` and milliseconds behind `mark`; without `hours` only from the first hour on."""
    rest, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, second = divmod(rest, 60)
    hour, minute = divmod(minutes, 60)
    return (f"{hour:02d}:" if hours or hour else "") + f"{minute:02d}:{second:02d}{mark}{milliseconds:03d}"


def cues(segments: Iterable[Segment], layout: Layout, markup: Markup) -> Iterator[Cue]:
    """The subtitles in the order of time."""
    if layout == Layout():
        for segment in segments:
            yield segment.start, segment.end, _spoken(segment.speaker, markup.word(segment.text), markup)
        return
    for subtitle in _subtitles(segments, layout):
        texts = [placed.before + markup.word(placed.word.text) for placed in subtitle]
        if layout.highlight_words:
            yield from _highlighted(subtitle, texts, markup)
        else:
            text = _spoken(subtitle[0].speaker, "".join(texts), markup)
            yield subtitle[0].word.start, subtitle[-1].word.end, text


class Placed(NamedTuple):
    """A word of a subtitle: behind nothing, a space or a line break."""

    before: str
    word: Word
    speaker: str | None


def _subtitles(segments: Iterable[Segment], layout: Layout) -> Iterator[list[Placed]]:
    """Deal words out to lines and subtitles."""
    across = layout.max_line_count is not None  # subtitles run across segments
    width = layout.max_line_width or WIDEST
    subtitle: list[Placed] = []
    letters, lines, last = 0, 1, 0.0
    for segment in segments:
        for position, word in enumerate(segment.words):
            begins = bool(subtitle) and (
                (not across and position % (layout.max_words_per_line or WIDEST) == 0)
                or segment.speaker != subtitle[0].speaker
            )
            pause = across and bool(subtitle) and word.start - last > LONG_PAUSE
            has_room = letters + 1 + len(word.text) <= width
            last = word.start
            if subtitle and has_room and not pause and not begins:
                subtitle.append(Placed(" ", word, segment.speaker))
                letters += 1 + len(word.text)
                continue
            if subtitle and (begins or (across and (pause or lines >= (layout.max_line_count or WIDEST)))):
                yield subtitle
                subtitle, lines = [], 1
            elif subtitle:
                lines += 1
            subtitle.append(Placed("\n" if subtitle else "", word, segment.speaker))
            letters = len(word.text)
    if subtitle:
        yield subtitle


def _highlighted(subtitle: list[Placed], texts: list[str], markup: Markup) -> Iterator[Cue]:
    """A subtitle for each word, and one without an underlined word for each pause between two."""
    last = subtitle[0].word.start
    speaker = subtitle[0].speaker
    for index, placed in enumerate(subtitle):
        start, end = placed.word.start, placed.word.end
        if clock(last, ".") != clock(start, "."):
            yield last, start, _spoken(speaker, "".join(texts), markup)
        underlined = f"{placed.before}<u>{texts[index][len(placed.before) :]}</u>"
        marked = [underlined if other == index else text for other, text in enumerate(texts)]
        yield start, end, _spoken(speaker, "".join(marked), markup)
        last = end


def _spoken(speaker: str | None, text: str, markup: Markup) -> str:
    return text if speaker is None else markup.speaker.format(markup.word(speaker)) + text
