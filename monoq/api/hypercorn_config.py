"""The configuration of every Hypercorn server here."""

import logging

from hypercorn.config import Config


def hypercorn_config(*, stop_s: float) -> Config:
    """No access log, no Server header, and at most `stop_s` seconds for each half of a stop: the
    requests in progress, then the connections."""
    log = logging.getLogger("hypercorn.error")
    log.setLevel(logging.WARNING)
    config = Config()
    config.accesslog = None
    config.errorlog = log
    config.include_server_header = False
    config.graceful_timeout = stop_s
    config.shutdown_timeout = stop_s
    return config
