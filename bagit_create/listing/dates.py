"""Dates and times of a selection, and those that upstreams write: always UTC in the end."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

SECOND = timedelta(seconds=1)
_DAY = re.compile(r"\d{4}-?\d\d-?\d\d|\d{4}-?W\d\d-?\d", re.ASCII)
_WEEK = re.compile(r"\d{4}-?W\d\d([ T].*)?", re.ASCII)


def is_day(text: str) -> bool:
    """Whether a text has the form of an ISO date, basic or extended, and no time."""
    return _DAY.fullmatch(text) is not None


def moment(text: str) -> datetime:
    """The beginning of an ISO date, or an ISO time; in UTC, which is meant where no zone is named.

    :raises ValueError: if it is neither.
    """
    if _WEEK.fullmatch(text):  # which Python takes for its Monday
        raise ValueError(f"{text} is a week")
    found = datetime.fromisoformat(text)
    try:
        found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except OverflowError as err:  # year 1 east of Greenwich, year 9999 west of it
        raise ValueError(f"{text} is before the first year or after the last") from err
    return found


def after(text: str) -> datetime:
    """The first second that an end leaves out: ends are included, a date's whole day is.

    :raises ValueError: if it is neither an ISO date nor a time.
    """
    if is_day(text):
        text = f"{date.fromisoformat(text)}T23:59:59"
    end = moment(text).replace(microsecond=0)
    return end if end.year == 9999 and end.month == 12 and end.day == 31 else end + SECOND


def zulu(time: datetime) -> str:
    """A time as OAI-PMH and the searches take it: to the second, with ``Z``."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")
