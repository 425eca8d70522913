"""What an installation sets for the job types that ship. Pure values: they also travel, as JSON, to
the processes of isolated jobs."""

from typing import NamedTuple


class Options(NamedTuple):
    """One field a setting, in forms that have a JSON form; "" is not set."""

    database_url: str = ""
    smtp_url: str = ""
    smtp_from: str = ""
    smtp_connections: int = 8
