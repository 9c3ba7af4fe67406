"""Calendar events of systemd, as far as they can be judged without one.

The grammar: https://www.freedesktop.org/software/systemd/man/252/systemd.time.html, "Calendar
Events". Whether such a day exists, and the time zone, is for the host to judge.
"""

import re

SHORTHANDS = (
    "minutely",
    "hourly",
    "daily",
    "weekly",
    "monthly",
    "quarterly",
    "semiannually",
    "annually",
    "yearly",
)
_DAY = (
    r"(?:mon(?:day)?|tue(?:sday)?|wed(?:nesday)?|thu(?:rsday)?|fri(?:day)?|sat(?:urday)?"
    r"|sun(?:day)?)"
)
_DAYS = re.compile(rf"{_DAY}(?:\.\.{_DAY})?(?:,{_DAY}(?:\.\.{_DAY})?)*,?", re.IGNORECASE)
_NUMBERS = r"(?:\*|[0-9]+(?:\.\.[0-9]+)?)(?:/[0-9]+)?"
_LIST = rf"{_NUMBERS}(?:,{_NUMBERS})*"
_DATE = re.compile(rf"(?:(?P<year>{_LIST})-)?(?P<month>{_LIST})[-~](?P<day>{_LIST})")
_SECONDS = rf"(?P<second>{_LIST})(?:\.[0-9]{{1,6}})?"
_TIME = re.compile(rf"(?P<hour>{_LIST}):(?P<minute>{_LIST})(?::{_SECONDS})?")
_ZONE = re.compile(r"UTC|[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)+")
# Of each part the least and the most.
_BOUNDS = {
    "year": (1970, 2199),
    "month": (1, 12),
    "day": (1, 31),
    "hour": (0, 23),
    "minute": (0, 59),
    "second": (0, 59),
}


def is_calendar_event(text: str) -> bool:
    """Whether systemd takes the text for OnCalendar=: weekdays, date, time and time zone, in that
    order, of which a weekday, a date or a time is there; or a shorthand."""
    if not text.isprintable():
        return False
    words = text.split()
    if len(words) > 1 and _ZONE.fullmatch(words[-1]):
        words.pop()
    if len(words) == 1 and words[0].lower() in SHORTHANDS:
        return True
    parts = 0
    for pattern in (_DAYS, _DATE, _TIME):
        found = pattern.fullmatch(words[0]) if words else None
        if found and all(_fits(part, text) for part, text in found.groupdict().items()):
            words.pop(0)
            parts += 1
    return parts > 0 and not words


def _fits(part: str, text: str | None) -> bool:
    """Whether the numbers of a part are ones that it can have."""
    least, most = _BOUNDS[part]
    for each in (text or "").split(","):
        start, _, repeated = each.partition("/")
        numbers = [int(number) for number in start.split("..") if number.isdecimal()]
        if any(not least <= number <= most for number in numbers) or repeated in ("0", "00"):
            return False
        if len(numbers) == 2 and numbers[0] > numbers[1]:
            return False
    return True
