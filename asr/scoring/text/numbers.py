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
UNITS = {"$": "dollar", "£": "pound", "€": "euro"}
HIGHEST = 10**15
NUMBER = re.compile(
    r"(?P<currency>[$£€])?(?P<whole>\d{1,3}(?:,\d{3})+|\d+)(?:\.(?P<fraction>\d+))?"
    r"(?:(?P<ordinal>st|nd|rd|th)\b|(?P<plural>'?s)\b|\s?(?P<percent>%))?",
    re.IGNORECASE,
)
NUMBER_WORD = "|".join([*ONES, *filter(None, TENS), *(name for _, name in SCALES)])
AND = re.compile(rf"\b(hundred|thousand|million|billion|trillion) and (?={NUMBER_WORD})\b")


def read_out(text: str) -> str:
    """Replace every number in digits by its words, and drop the "and" inside numbers in words.

    Four digits from 1100 to 1999 and from 2010 to 2099 without a comma are read as years ("nineteen ninety").
    """
    return AND.sub(r"\1 ", NUMBER.sub(_words, text))


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


def _words(match: re.Match[str]) -> str:
    """The words of one number with what stands around it, set off by blanks."""
    digits = match["whole"].replace(",", "")
    number = int(digits)
    words = _whole(digits, match)
    if match["fraction"] and not match["currency"]:
        words += " point " + " ".join(ONES[int(digit)] for digit in match["fraction"])
    if match["plural"]:
        words = words[:-1] + "ies" if words.endswith("y") else words + "s"
    if match["percent"]:
        words += " percent"
    if match["currency"]:
        unit = UNITS[match["currency"]]
        words += f" {unit}" + ("" if number == 1 else "s")
        cents = int((match["fraction"] or "0").ljust(2, "0")[:2])
        words += f" {cardinal(cents)}" if cents else ""
    return f" {words} "


def _whole(digits: str, match: re.Match[str]) -> str:
    number = int(digits)
    if match["ordinal"]:
        return ordinal(number)
    if len(digits) > 1 and digits.startswith("0"):
        return " ".join(ONES[int(digit)] for digit in digits)
    plain = not (match["currency"] or match["percent"] or match["fraction"] or "," in match["whole"])
    if plain and (1100 <= number <= 1999 or 2010 <= number <= 2099):
        return year(number)
    return cardinal(number)
