"""GET /stats/history: what happened, minute by minute or hour by hour. Points are put together from
rows that are there already; it must never count jobs."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, Field, ValidationError
from quart import Blueprint, request

from monoq.api.problems import Problem, field_errors
from monoq.api.schemas import TenantId, TypeName, _Request
from monoq.job import timestamp
from monoq.observe import buckets
from monoq.store.database import Row
from monoq.store.history import HistoryStore

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
STEPS_S = (60, 300, 900, 3600, 4 * 3600, 86_400)  # the default is one of these
USUAL_POINTS = 300
MAX_POINTS = 1500
MINUTES_S = 25 * HOUR_S  # how far back minutes reach
HOURS_S = 91 * DAY_S
FLOWS = ("submitted", "completed", "failed", "cancelled", "retried")
LEVELS = ("waiting", "running")
PARTS = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class HistoryRequest(_Request):
    """The query of GET /stats/history: about a tenant, a type, both, or all together."""

    tenant_id: TenantId | None = None
    type: TypeName | None = None
    from_: Annotated[AwareDatetime | None, Field(alias="from")] = None
    to: AwareDatetime | None = None
    step: Annotated[int, Field(ge=MINUTE_S, le=DAY_S, multiple_of=MINUTE_S)] | None = None


class Span:
    """From when to when, in steps of how many seconds: `first` and `end` are multiples of the
    step."""

    def __init__(self, query: HistoryRequest, now: datetime) -> None:
        end = query.to or now
        first = query.from_ or end - timedelta(hours=1)
        age_s = (now - first).total_seconds()
        self.step_s = query.step or _usual_step((end - first).total_seconds(), age_s)
        if first >= end:
            raise _refusal("from", "it must be before `to`")
        if self.step_s > HOUR_S and self.step_s % HOUR_S:
            raise _refusal("step", "above an hour it must be a multiple of 3600")
        if DAY_S % self.step_s:
            raise _refusal("step", "it must divide a day")
        self.step = timedelta(seconds=self.step_s)
        self.row_s = HOUR_S if self.step_s >= HOUR_S else MINUTE_S
        if age_s > (HOURS_S if self.row_s == HOUR_S else MINUTES_S):
            raise _refusal(
                "from",
                "minutes are kept for a day: use a step of 3600"
                if self.row_s == MINUTE_S
                else "hours are kept for 90 days",
            )
        first_s = int(first.timestamp()) // self.step_s * self.step_s
        points = -(-int(end.timestamp() - first_s) // self.step_s)
        if points > MAX_POINTS:
            raise _refusal("step", f"that is {points} points; at most {MAX_POINTS} are allowed")
        self.first = datetime.fromtimestamp(first_s, UTC)
        self.starts = [
            self.first + timedelta(seconds=self.step_s * place) for place in range(max(points, 1))
        ]
        self.end = self.starts[-1] + timedelta(seconds=self.step_s)

    def place(self, at: datetime) -> int:
        """Which point a time belongs to; there may be none with this number."""
        return (at - self.first) // self.step


def history_blueprint(*, history: HistoryStore) -> Blueprint:
    """The route, over what it reads."""
    blueprint = Blueprint("history", __name__)

    @blueprint.get("/stats/history")
    async def get_history() -> dict[str, Any]:
        try:
            query = HistoryRequest.model_validate(request.args.to_dict())
        except ValidationError as error:
            raise Problem(422, "the query is invalid", field_errors(error)) from None
        span = Span(query, datetime.now(UTC))
        rows = await history.read_history(
            query.tenant_id or "", query.type or "", span.row_s, span.first, span.end
        )
        return {
            "tenantId": query.tenant_id,
            "type": query.type,
            "from": timestamp(span.first),
            "to": timestamp(span.end),
            "step": span.step_s,
            "quantileError": round(buckets.ERROR, 3),
            "points": points_of(span, rows),
        }

    return blueprint


def points_of(span: Span, rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The points, from the rows of read_history.sql."""
    by_kind: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_kind[row["kind"]].append(row)
    points: list[dict[str, Any]] = [
        {"at": _written(start), **dict.fromkeys(FLOWS, 0), "complete": True}
        for start in span.starts
    ]
    waits: list[dict[int, int]] = [{} for _ in points]
    runs: list[dict[int, int]] = [{} for _ in points]
    for row in (*by_kind["closed"], *by_kind["open"], *by_kind["times"]):
        place = span.place(row["at"])
        if 0 <= place < len(points):
            point = points[place]
            for flow in FLOWS:
                point[flow] += row[flow]
            buckets.read_into(waits[place], row["waits"])
            buckets.read_into(runs[place], row["runs"])
    there = {row["at"] for row in by_kind["closed"]}
    for row in by_kind["left out"]:
        if row["at"] not in there:
            points[span.place(row["at"])]["complete"] = False
    for point, waited, ran in zip(points, waits, runs, strict=True):
        point["waitSeconds"], point["runSeconds"] = _quantiles(waited), _quantiles(ran)
    for level in LEVELS:
        _set_levels(span, points, level, by_kind)
    return points


def _set_levels(
    span: Span, points: list[dict[str, Any]], level: str, by_kind: dict[str, list[Row]]
) -> None:
    """How many jobs wait, or run, at the end of each point. Where something may still come, it is
    what is there now, less what has happened since; else what was noted, and it stays so until the
    next note. None: it is not known, because it was left out."""
    change = f"{level}_change"
    (now_row,) = by_kind["now"]
    now: int = now_row[level]
    noted: dict[int, int] = {}
    open_from: list[datetime] = [row["at"] for row in by_kind["open"]]
    for row in by_kind["closed"]:
        if row[level] is None:
            open_from.append(row["at"])
        else:
            noted[span.place(row["at"])] = row[level]
    unclosed = min(open_from, default=span.end + span.step)
    known: int | None
    if by_kind["before"] and by_kind["before"][0][level] is not None:
        known = by_kind["before"][0][level]
    elif by_kind["closed"] and (first := by_kind["closed"][0])[level] is not None:
        known = first[level] - first[change]
    else:
        known = now - sum(row[change] for row in (*by_kind["open"], *by_kind["closed"]))
    for place, (start, point) in enumerate(zip(span.starts, points, strict=True)):
        end = start + span.step
        if end > unclosed:
            known = now - sum(row[change] for row in by_kind["open"] if row["at"] >= end)
        elif place in noted:
            known = noted[place]
        elif not point["complete"]:
            known = None
        point[level] = known


def _written(at: datetime) -> str:
    """As `timestamp`, of a time in UTC, in a third of the time."""
    return at.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def _quantiles(counts: dict[int, int]) -> dict[str, float] | None:
    if not counts:
        return None
    found = buckets.quantiles(counts, PARTS.values())
    return dict(zip(PARTS, found, strict=True))


def _usual_step(span_s: float, age_s: float) -> int:
    fitting: Sequence[int] = [
        step_s
        for step_s in STEPS_S
        if span_s <= step_s * USUAL_POINTS and (step_s >= HOUR_S or age_s <= MINUTES_S)
    ]
    return fitting[0] if fitting else STEPS_S[-1]


def _refusal(field: str, message: str) -> Problem:
    return Problem(422, "the query is invalid", [{"field": field, "message": message}])
