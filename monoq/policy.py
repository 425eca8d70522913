"""Policies: what a tenant, a job type, or each tenant without a value of its own may do. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Scope(StrEnum):
    """Whose policy it is."""

    DEFAULT = "default"  # each tenant's that has no value of its own
    TENANT = "tenant"
    TYPE = "type"


@dataclass(frozen=True, slots=True)
class Setting:
    """The value of one field. From `until` on, `afterwards` holds; None: as if it were not set."""

    value: float
    until: datetime | None = None
    afterwards: float | None = None


Policy = Mapping[str, Setting]  # by field, only those that are set


@dataclass(frozen=True, slots=True)
class Room:
    """How many more jobs of a tenant or a type may start now; which limit holds it, if none may;
    when its rate lets the next one start (UTC), and whether it has one."""

    jobs: int
    held_by: str | None
    next_start_at: datetime | None
    has_rate: bool


def most_of(places: int, part: float) -> int:
    """How many of a worker's places of one kind one tenant may hold: a part of them, in whole
    places, at least one."""
    return max(1, int(places * part + 0.5))
