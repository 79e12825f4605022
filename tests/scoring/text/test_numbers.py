"""English numbers in digits, read out."""

import pytest

from asr.scoring.text.numbers import cardinal, ordinal, read_out, year


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (40, "forty"),
        (99, "ninety nine"),
        (100, "one hundred"),
        (115, "one hundred fifteen"),
        (1_000, "one thousand"),
        (20_306, "twenty thousand three hundred six"),
        (1_000_000, "one million"),
        (2_000_000_017, "two billion seventeen"),
        (10**15, "one" + " zero" * 15),
    ],
)
def test_cardinals(number: int, words: str) -> None:
    assert cardinal(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [(1, "first"), (5, "fifth"), (12, "twelfth"), (20, "twentieth"), (21, "twenty first"), (100, "one hundredth")],
)
def test_ordinals(number: int, words: str) -> None:
    assert ordinal(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1900, "nineteen hundred"),
        (1905, "nineteen oh five"),
        (1984, "nineteen eighty four"),
        (2024, "twenty twenty four"),
    ],
)
def test_years(number: int, words: str) -> None:
    assert year(number) == words


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("25", "twenty five"),
        ("1,234 men", "one thousand two hundred thirty four men"),
        ("in 1984", "in nineteen eighty four"),
        ("the 1980s", "the nineteen eighties"),
        ("3.14", "three point one four"),
        ("5%", "five percent"),
        ("5 %", "five percent"),
        ("$5", "five dollars"),
        ("$1", "one dollar"),
        ("£2.50", "two pounds fifty pence"),
        ("$2 million", "two million dollars"),
        ("$3.5 million", "three point five million dollars"),
        ("10€", "ten euros"),
        ("10 €", "ten euros"),
        ("¥100", "one hundred yen"),
        ("five dollars and fifty cents", "five dollars fifty cents"),
        ("$1.5", "one point five dollars"),
        ("-5 degrees", "minus five degrees"),
        ("−$5", "minus five dollars"),
        ("10-5", "ten - five"),
        ("1/2", "one half"),
        ("3/4 cup", "three quarters cup"),
        ("24/7", "twenty four / seven"),
        ("9/11/2001", "nine / eleven / two thousand one"),
        ("1.10.1", "one point ten point one"),
        ("1.000.000", "one million"),
        ("20mm", "twenty millimeters"),
        ("twenty mm", "twenty millimeters"),
        ("1 km", "one kilometer"),
        ("21 km", "twenty one kilometers"),
        ("60 mph", "sixty miles per hour"),
        ("six ft", "six feet"),
        ("the mm and the km", "the mm and the km"),
        ("ten a m", "ten am"),
        ("i am a m", "i am a m"),
        ("the 21st", "the twenty first"),
        ("007", "zero zero seven"),
        ("b2b", "b two b"),
        ("one hundred and five", "one hundred five"),
        ("thousand and one nights", "thousand one nights"),
        ("salt and pepper", "salt and pepper"),
        ("a hundred and more", "a hundred and more"),
        ("2005", "two thousand five"),
    ],
)
def test_texts(written: str, read: str) -> None:
    assert " ".join(read_out(written).split()) == read
