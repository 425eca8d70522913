"""What an installation sets for the job types that ship. Pure values: they also travel, as JSON, to
the processes of isolated jobs."""

from collections.abc import Sequence
from typing import NamedTuple


class Options(NamedTuple):
    """One field a setting, in forms that have a JSON form; "" is not set.

    `allowed_networks`: internal networks that may be called. `webhook_secrets`: `whsec_…`; each
    signs every webhook.
    """

    allowed_networks: Sequence[str] = ()
    webhook_secrets: Sequence[str] = ()
    database_url: str = ""
    smtp_url: str = ""
    smtp_from: str = ""
    smtp_connections: int = 8
    files_dir: str = ""
    csv_max_bytes: int = 0
