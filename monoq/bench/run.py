"""Runs the chosen measures, with a round to warm up and progress to look at."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from monoq.bench.fairness import SCENES, fairness
from monoq.bench.limits import limiting
from monoq.bench.measures import Samples, draining, latency, scaling, submitting
from monoq.bench.mix import beside, mixed
from monoq.bench.report import Result, conditions, summary
from monoq.bench.system import System, scratch_system
from monoq.bench.webhooks import webhooks


async def run_bench(
    database_url: str,
    redis_url: str,
    migrations: Path,
    measures: Sequence[str],
    *,
    jobs: int,
    rounds: int,
    workers: int,
    history: tuple[int, ...],
    tenants: tuple[int, ...],
    minutes: float,
) -> Result:
    """The figures by name, and the conditions they hold under."""
    async with scratch_system(database_url, redis_url, migrations) as system:
        figures: dict[str, list[float]] = defaultdict(list)
        with Progress(console=Console(stderr=True)) as progress:
            for measure in measures:
                # without a round to warm up: it would take minutes, or is a part of the measure
                warm = measure in ("scale", "mix", "fairness", "limits")
                steps = {
                    "scale": rounds * (len(history) + len(tenants)),
                    "mix": 1,
                    "fairness": len(SCENES) + 2,
                    "limits": 2 + 3 * rounds,
                }.get(measure, rounds + 1)
                shown = progress.add_task(measure, total=steps)
                seen: set[str] = set()
                async for samples in _samples(
                    system, measure, jobs, rounds, workers, history, tenants, minutes
                ):
                    progress.advance(shown)
                    for name, values in samples.items():
                        # the round that warmed up
                        if not warm and name not in seen:
                            seen.add(name)
                        else:
                            figures[name] += values
        return {
            "figures": summary(figures),
            "conditions": await conditions(system.connection, redis_url) | {"jobs": str(jobs)},
        }


def _samples(
    system: System,
    measure: str,
    jobs: int,
    rounds: int,
    workers: int,
    history: tuple[int, ...],
    tenants: tuple[int, ...],
    minutes: float,
) -> AsyncIterator[Samples]:
    if measure == "submit":
        return submitting(system, jobs, rounds + 1)
    if measure == "drain":
        label = "drain" if workers == 1 else f"drain by {workers} workers"
        return draining(system, jobs, rounds + 1, workers, label=label)
    if measure == "mix":
        return mixed(system, minutes)
    if measure == "fairness":
        return fairness(system, jobs, minutes)
    if measure == "limits":
        return limiting(system, jobs, rounds, minutes)
    if measure == "beside":
        return beside(system, jobs, rounds + 1)
    if measure == "webhooks":
        return webhooks(system, jobs, rounds + 1)
    if measure == "latency":
        return latency(system, jobs, rounds + 1)
    return scaling(system, jobs, rounds, history, tenants)
