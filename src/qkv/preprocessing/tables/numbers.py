"""Numbers and dates in a text, as TAPAS (Herzig et al., 2020) looks for them: in English, and sparing of guesses."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterator

Date = tuple[int | None, int | None, int | None]  # year, month, day, of which some may be unknown
Value = float | Date
Span = tuple[int, int]  # characters [start, end)

_MONTHS = "january february march april may june july august september october november december"
_DAYS = "monday tuesday wednesday thursday friday saturday sunday"
_COUNTED = "zero one two three four five six seven eight nine ten eleven twelve"
_ORDERED = "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
MONTHS, DAYS, COUNTED, ORDERED = (words.split() for words in (_MONTHS, _DAYS, _COUNTED, _ORDERED))
WORDS = {word: float(number) for words in (COUNTED, ORDERED) for number, word in enumerate(words)}
YEARS = range(1700, 2017)  # what else has four digits is not taken for a year

NUMBER = re.compile(r"(?:(?:^|\s)[+-])?(?:\.\d+|\d+(?:,\d\d\d)*(?:\.\d*)?)")
PARTS = {
    "full": f"(?P<month>{'|'.join(MONTHS)})",
    "month": f"(?P<month>{'|'.join([*MONTHS, *(name[:3] for name in MONTHS)])})",
    "number": r"(?P<month>\d{1,2})",
    "year": r"(?P<year>\d{4})",
    "day": r"(?P<day>\d{1,2})",
    "weekday": f"(?:{'|'.join(DAYS)})",
}
DATES = [
    re.compile(form.format(**PARTS))
    for form in (
        "{year}s?", "{full}", "{month} {year}", "{year}-{number}",
        "{month} {day}", "{day} {month}", "{weekday}, {month} {day}",
        "{month} {day}, {year}", "{day} {month} {year}", "{year}-{number}-{day}", "{number}-{day}-{year}",
        r"{day}\.{number}\.{year}",
    )
]  # fmt: skip
LONGEST_DATE = 5  # words


def numeric_values(text: str) -> list[Value]:
    """The numbers and dates of a text, in order; more than one for what can be read in more than one way."""
    return [value for values in spans(" ".join(text.lower().split())).values() for value in values]


def spans(text: str) -> dict[Span, list[Value]]:
    """Where numbers and dates stand in a text in small letters, without those inside of another."""
    found: dict[Span, list[Value]] = {}
    for match in NUMBER.finditer(text):
        number = read_number(match.group())
        if number is not None:
            found[match.span()] = [number]
    for start, end in word_spans(text, 1):
        word = text[start:end]
        values = [value for value in (read_number(word), WORDS.get(word)) if value is not None]
        if values and (start, end) not in found:
            found[start, end] = list(values)
    for start, end in word_spans(text, LONGEST_DATE):
        date = read_date(text[start:end])
        if date is not None:
            found.setdefault((start, end), []).append(date)
    chosen, reached = {}, 0
    for start, end in sorted(found, key=lambda span: (span[0], -span[1])):  # what contains others comes before them
        if end > reached:
            chosen[start, end], reached = found[start, end], end
    return chosen


def read_number(text: str) -> float | None:
    """12, 1,250.5, +3, .5, 21st: as a float; None for what is none."""
    text = text[:-2] if text.endswith(("st", "nd", "rd", "th")) else text
    try:
        number = float(text.replace(",", ""))
    except ValueError:
        return None
    return None if math.isnan(number) or number == math.inf else number


def read_date(text: str) -> Date | None:
    """A date, or as much of one as there is: may 2010, 7 february 1967, monday, jul 5, 1990s, 2001-05-30."""
    for form in DATES:
        match = form.fullmatch(text)
        if match is None:
            continue
        year, month, day = (_number(match.groupdict().get(part)) for part in ("year", "month", "day"))
        known = [1900 if year is None else year, 1 if month is None else month, 1 if day is None else day]
        try:  # 1900 was no leap year: a 29th of February needs its year
            datetime.date(*known)
        except ValueError:
            continue
        if known[0] in YEARS:
            return year, month, day
    return None


def _number(part: str | None) -> int | None:
    """Of a year, a day, or a month by its number or its name."""
    if part is None or part.isdecimal():
        return None if part is None else int(part)
    return [name[:3] for name in MONTHS].index(part[:3]) + 1


def word_spans(text: str, words: int) -> Iterator[Span]:
    """Each run of up to so many words, which are letters and digits without a break."""
    starts: list[int] = []
    for place, character in enumerate(text):
        if not character.isalnum():
            continue
        if place == 0 or not text[place - 1].isalnum():
            starts.append(place)
        if place + 1 == len(text) or not text[place + 1].isalnum():
            yield from ((start, place + 1) for start in starts[-words:])
