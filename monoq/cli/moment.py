"""A point in time, and a length of it, as people type them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import click

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Moment(click.ParamType[datetime]):
    """A time: RFC 3339 with a zone, or relative to now, like 90s, 30m, 2h, 7d; `past`: so long
    ago."""

    name = "time"

    def __init__(self, *, past: bool = False) -> None:
        self._sign = -1 if past else 1

    def convert(self, value: Any, _: Any, __: Any) -> datetime:
        """Returns it with a time zone."""
        try:
            if value[:-1].isdigit() and value[-1:] in UNITS:
                seconds = self._sign * int(value[:-1]) * UNITS[value[-1]]
                return datetime.now(UTC) + timedelta(seconds=seconds)
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is not None:
                return moment
        except (ValueError, OverflowError):
            pass
        raise click.BadParameter(f"{value!r} is neither like 30m nor like 2027-01-31T12:00:00Z")


class Duration(click.ParamType[float]):
    """A length of time in seconds, like 90s, 30m, 12h, 7d."""

    name = "duration"

    def convert(self, value: Any, _: Any, __: Any) -> float:
        """Returns seconds."""
        number, unit = value[:-1], value[-1:]
        if unit in UNITS and number.replace(".", "", 1).isdecimal():
            return float(number) * UNITS[unit]
        raise click.BadParameter(f"{value!r} is not like 90s, 30m, 12h or 7d")
