"""Where logging is set up, once per process. Modules log through `logging.getLogger(__name__)` and must never configure it."""

import logging


def configure(level: str) -> None:
    """Writes log lines of `level` and above to standard error."""
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.captureWarnings(True)
