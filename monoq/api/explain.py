"""The route that explains in one sentence why a job waits."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from quart import Blueprint

from monoq.api.problems import Problem
from monoq.store.explain import Explainer


def explain_blueprint(*, explainer: Explainer) -> Blueprint:
    """The route, over what it needs."""
    blueprint = Blueprint("explain", __name__)

    @blueprint.get("/jobs/<job_id>/explain")
    async def explain(job_id: str) -> dict[str, Any]:
        try:
            explained = await explainer.explain(UUID(job_id))
        except ValueError:
            explained = None
        if explained is None:
            raise Problem(404, f"there is no job {job_id[:100]}")
        status, reason = explained
        return {
            "jobId": str(UUID(job_id)),
            "status": status,
            "reason": reason,
            "message": _SENTENCES[reason["code"]](reason),
        }

    return blueprint


def _whose(reason: dict[str, Any]) -> str:
    whose = f"{'Tenant' if reason['scope'] == 'tenant' else 'Type'} {reason['name']}"
    return f"{whose} (by the defaults)" if reason["policyOf"] == "default" else whose


def _paused(reason: dict[str, Any]) -> str:
    until = reason["until"]
    return f"{_whose(reason)} is paused" + (f" until {until}." if until else ".")


def _cap(reason: dict[str, Any]) -> str:
    cap, running = reason["maxRunning"], reason["running"]
    return f"{_whose(reason)} runs {running} of {cap} jobs that may run at once."


def _rate(reason: dict[str, Any]) -> str:
    rate, at = reason["ratePerSecond"], reason["nextStartAt"]
    return f"{_whose(reason)} may start {rate:g} jobs a second; the next one may start at {at}."


def _backoff(reason: dict[str, Any]) -> str:
    return f"Attempt {reason['attempts']} failed; the job waits until {reason['until']}."


def _no_worker(reason: dict[str, Any]) -> str:
    live, draining = reason["liveWorkers"], reason["drainingWorkers"]
    if draining:
        which = f"Each live worker that has a handler for type {reason['type']}"
        return f"{which} is draining ({draining} of {live} workers live)."
    return f"No live worker has a handler for type {reason['type']} ({live} workers live)."


def _slots(reason: dict[str, Any]) -> str:
    most = ", ".join(f"{one['id']} ({one['running']})" for one in reason["tenants"])
    return f"All {reason['slots']} slots of the pool {reason['pool']} are taken, most by {most}."


def _share(reason: dict[str, Any]) -> str:
    held, most, slots = reason["running"], reason["maxOfTenant"], reason["slots"]
    return (
        f"Tenant {reason['tenantId']} holds {held} of the {slots} slots of the pool"
        f" {reason['pool']}; one tenant may hold {most}, the rest is for others."
    )


def _queued(reason: dict[str, Any]) -> str:
    place, seconds = reason["place"], reason["estimateSeconds"]
    more = "" if reason["placeIsExact"] else " or later"
    about = "" if seconds is None else f", and starts in about {seconds:g} s{more}"
    return f"The job is number {place}{more} in the queue of tenant {reason['tenantId']}{about}."


def _scheduled(reason: dict[str, Any]) -> str:
    return f"The job is scheduled for {reason['until']}."


def _key(reason: dict[str, Any]) -> str:
    return f"Job {reason['heldBy'][0]} has the key {reason['key']!r}; its jobs run one at a time."


def _status(reason: dict[str, Any]) -> str:
    return f"The job does not wait: it is {reason['status']}."


_SENTENCES: dict[str, Callable[[dict[str, Any]], str]] = {
    "paused": _paused,
    "cap": _cap,
    "rate": _rate,
    "backoff": _backoff,
    "scheduled": _scheduled,
    "key": _key,
    "noWorker": _no_worker,
    "slots": _slots,
    "share": _share,
    "queued": _queued,
    "status": _status,
}
