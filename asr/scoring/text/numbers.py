"""English numbers written in digits, read out in words, so that "25" and "twenty five" compare as equal."""

from __future__ import annotations

import re

ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth",
    "eight": "eighth", "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip
SIGNS = {
    "$": ("dollar", "dollars", "cents"), "£": ("pound", "pounds", "pence"), "€": ("euro", "euros", "cents"),
    "¥": ("yen", "yen", ""), "₹": ("rupee", "rupees", "paise"),
}  # fmt: skip
"""Currency sign -> one of it, several, and its hundredths."""
MEASURES = {
    "mm": "millimeter", "cm": "centimeter", "km": "kilometer", "kg": "kilogram", "mg": "milligram", "ml": "milliliter",
    "hz": "hertz", "khz": "kilohertz", "mhz": "megahertz", "ghz": "gigahertz", "kb": "kilobyte", "mb": "megabyte",
    "gb": "gigabyte", "tb": "terabyte", "lb": "pound", "lbs": "pound", "ft": "foot", "mph": "mile per hour",
    "km/h": "kilometer per hour", "kmh": "kilometer per hour", "kph": "kilometer per hour",
    "°c": "degree celsius", "°f": "degree fahrenheit", "°": "degree",
}  # fmt: skip
"""Abbreviations that mean a unit of measure when a number stands before them."""
FRACTIONS = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 6: "sixth", 8: "eighth", 10: "tenth", 16: "sixteenth"}
HIGHEST = 10**15
SIGN, SCALE = "[$£€¥₹]", "thousand|million|billion|trillion"
NUMBER = re.compile(
    rf"(?P<minus>(?<![\w.-])[-−](?=\d|{SIGN}))?(?P<before>{SIGN})?"
    rf"(?P<whole>\d{{1,3}}(?:,\d{{3}})+|\d{{1,3}}(?:\.\d{{3}}){{2}}(?![.\d])|\d+)(?P<fraction>(?:\.\d+)*)"
    rf"(?:(?P<ordinal>st|nd|rd|th)\b|(?P<plural>'?s)\b|\s?(?P<percent>%)"
    rf"|(?P<scale>\s?(?:{SCALE})\b)?(?:\s?(?P<after>{SIGN})(?!\d))?)",
    re.IGNORECASE,
)
RATIO = re.compile(r"(?<![\d/⁄.,])(?P<top>\d{1,2})[/⁄](?P<bottom>\d{1,2})(?![\d/⁄]|[.,]\d)")
NUMBER_WORD = "|".join([*ONES, *filter(None, TENS), *(name for _, name in SCALES)])
SPOKEN = rf"(?<!\w)(?:{NUMBER_WORD})(?:[ -](?:and )?(?:{NUMBER_WORD}|point))*"
AND = re.compile(rf"\b(hundred|thousand|million|billion|trillion) and (?={NUMBER_WORD})\b")
HUNDREDTHS = re.compile(rf"\b(dollars?|pounds?|euros?|rupees?) and (?={SPOKEN} (?:cents?|pence|paise)\b)")
CLOCK = re.compile(rf"\b({NUMBER_WORD}) ([ap]) m\b")
MEASURE = re.compile(
    rf"(?P<number>{SPOKEN})[ -]?(?P<unit>{'|'.join(map(re.escape, sorted(MEASURES, key=len, reverse=True)))})(?!\w)",
    re.IGNORECASE,
)


def read_out(text: str) -> str:
    """Replace every number in digits, with sign, currency, fraction and unit of measure, by its words.

    Four digits from 1100 to 1999 and from 2010 to 2099 without a comma are read as years ("nineteen ninety"). In
    numbers in words the "and" is dropped, and units of measure after them are written out.
    """
    text = RATIO.sub(_ratio, text)
    text = " ".join(NUMBER.sub(_words, text).split())
    text = HUNDREDTHS.sub(r"\1 ", AND.sub(r"\1 ", text))
    return MEASURE.sub(_measure, CLOCK.sub(r"\1 \2m", text))


def cardinal(number: int) -> str:
    """0 -> "zero", 1905 -> "one thousand nine hundred five"; from 10^15 on, digit by digit."""
    if number >= HIGHEST:
        return " ".join(ONES[int(digit)] for digit in str(number))
    if number < 20:
        return ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return TENS[tens] + (f" {ONES[ones]}" if ones else "")
    size, name = next((size, name) for size, name in SCALES if number >= size)
    count, rest = divmod(number, size)
    return f"{cardinal(count)} {name}" + (f" {cardinal(rest)}" if rest else "")


def ordinal(number: int) -> str:
    """3 -> "third", 20 -> "twentieth", 21 -> "twenty first"."""
    *front, last = cardinal(number).split()
    if last in ORDINALS:
        last = ORDINALS[last]
    else:
        last = last[:-1] + "ieth" if last.endswith("y") else last + "th"
    return " ".join([*front, last])


def year(number: int) -> str:
    """1990 -> "nineteen ninety", 1905 -> "nineteen oh five", 1900 -> "nineteen hundred"."""
    century, rest = divmod(number, 100)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} " + (f"oh {ONES[rest]}" if rest < 10 else cardinal(rest))


def _ratio(match: re.Match[str]) -> str:
    """Proper fractions with usual denominators: 3/4 -> "three quarters"; others stay, as they may be dates."""
    top, bottom = int(match["top"]), int(match["bottom"])
    if not 0 < top < bottom or bottom not in FRACTIONS:
        return match[0]
    name = FRACTIONS[bottom]
    plural = "halves" if name == "half" else name + "s"
    return f" {cardinal(top)} {name if top == 1 else plural} "


def _measure(match: re.Match[str]) -> str:
    name, *rest = MEASURES[match["unit"].lower()].split()
    if match["number"] not in ("one", "One"):
        name = {"foot": "feet"}.get(name, name if name.endswith("hertz") else name + "s")
    return " ".join([match["number"], name, *rest])


def _words(match: re.Match[str]) -> str:
    """The words of one number with what stands around it, set off by blanks."""
    groups = match["fraction"].split(".")[1:]
    sign = match["before"] or match["after"]
    if len(groups) > 1:  # a version: 1.10.1
        return " " + " point ".join(cardinal(int(group)) for group in [match["whole"].replace(",", ""), *groups]) + " "
    digits = re.sub(r"[,.]", "", match["whole"])
    words = _whole(digits, match)
    with_hundredths = sign and groups and len(groups[0]) == 2 and not match["scale"]
    if groups and not with_hundredths:
        words += " point " + " ".join(ONES[int(digit)] for digit in groups[0])
    if match["plural"]:
        words = words[:-1] + "ies" if words.endswith("y") else words + "s"
    words += f" {match['scale'].strip().lower()}" if match["scale"] else ""
    words += " percent" if match["percent"] else ""
    if sign:
        one, several, parts = SIGNS[sign]
        words += f" {one if int(digits) == 1 and not match['scale'] and not groups else several}"
        hundredths = int(groups[0]) if with_hundredths else 0
        words += f" {cardinal(hundredths)} {parts}" if hundredths else ""
    return f" {'minus ' if match['minus'] else ''}{words} "


def _whole(digits: str, match: re.Match[str]) -> str:
    number = int(digits)
    if match["ordinal"]:
        return ordinal(number)
    if len(digits) > 1 and digits.startswith("0"):
        return " ".join(ONES[int(digit)] for digit in digits)
    around = (match["before"], match["after"], match["percent"], match["fraction"], match["scale"])
    plain = not any(around) and not re.search("[,.]", match["whole"])
    if plain and (1100 <= number <= 1999 or 2010 <= number <= 2099):
        return year(number)
    return cardinal(number)
