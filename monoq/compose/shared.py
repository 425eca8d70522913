"""What the parts of all roles share, built once by `root.py`. It must know no role."""

from dataclasses import dataclass

from monoq.app.registry import App
from monoq.config import Settings
from monoq.live.publisher import Publisher
from monoq.observe.metrics import Metrics
from monoq.queue.ready import Ready
from monoq.store.counts import CountStore
from monoq.store.jobs import JobStore
from monoq.store.limits import Limits
from monoq.upkeep.stager import Stager
from monoq.upkeep.troubles import Troubles


@dataclass(frozen=True)
class Shared:
    """The settings, the engines' URLs, and one of each part that needs no second."""

    settings: Settings
    database_url: str
    redis_url: str
    app: App
    metrics: Metrics
    jobs: JobStore
    limits: Limits
    counts: CountStore
    ready: Ready
    publisher: Publisher
    stager: Stager
    troubles: Troubles
