"""HTTP dates (RFC 9110, section 5.6.7): written in one form, read in the three that exist."""
from __future__ import annotations

import calendar
import datetime
import re
import time
from typing import Optional

from protocols.http.render import http_date

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LATEST = 253402300799  # 9999-12-31 23:59:59: the year has four digits

_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTH = "(?P<month>%s)" % "|".join(MONTHS)
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_FORMS = tuple(re.compile(form) for form in (
    rf"{_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT",
    rf"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT",
    rf"{_DAY} {_MONTH} (?P<day>[ 0-9][0-9]) {_TIME} (?P<year>[0-9]{{4}})"))


def format_date(seconds: float) -> str:
    """`seconds` since 1970 as `Sun, 06 Nov 1994 08:49:37 GMT`, whatever the locale; out of range is clamped."""
    return http_date(min(max(int(seconds), 0), LATEST))


def parse_date(text: str, now: float) -> Optional[int]:
    """Seconds since 1970, or None where `text` is not an HTTP-date.

    `now` decides the century of the two-digit year of RFC 850: more than fifty
    years ahead means the past.
    """
    for form in _FORMS:
        found = form.fullmatch(text)
        if found:
            return _seconds(found, now)
    return None


def _seconds(found: "re.Match[str]", now: float) -> Optional[int]:
    year, month = int(found["year"]), MONTHS.index(found["month"]) + 1
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"])
    if len(found["year"]) == 2:
        this_year = time.gmtime(now).tm_year
        year += this_year - this_year % 100
        if year > this_year + 50:
            year -= 100
    try:
        day = datetime.date(year, month, int(found["day"]))
    except ValueError:
        return None
    if hour > 23 or minute > 59 or second > 60:  # 60 is a leap second
        return None
    return calendar.timegm(day.timetuple()) + hour * 3600 + minute * 60 + second
