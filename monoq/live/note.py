"""What running jobs say of themselves: progress, and lines of their logs. A note may be lost:
`GET /jobs/{id}` and `GET /jobs/{id}/log` have what is true."""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from monoq.errors import InvalidJson

MAX_LINES = 50  # in one note; more are read from the API


@dataclass(slots=True)
class Note:
    """What one run has said since its last note. `progress`: {"fraction", "text", "at"}, None: the
    same as before.

    `lines`: {"offset", "attempt", "at", "text", "fields"}, None: too many for a note. `log_end`:
    the offset of the last line, `log_before`: of the last one before these, None: not known.
    """

    job_id: str
    progress: Mapping[str, Any] | None = None
    lines: list[Any] | None = None
    log_before: int | None = None
    log_end: int | None = None

    def add(self, newer: "Note") -> None:
        """Takes what was said after it, too."""
        if newer.progress is not None:
            self.progress = newer.progress
        if newer.log_end is None:
            return
        if self.log_end is None:
            self.lines, self.log_before = newer.lines, newer.log_before
        elif self.lines is None or newer.lines is None or newer.log_before != self.log_end:
            self.lines = None
        else:
            lines = [*self.lines, *newer.lines]
            self.lines = lines if len(lines) <= MAX_LINES else None
        self.log_end = newer.log_end

    def frame(self, tenant_id: str, *, with_lines: bool) -> str | None:
        """The JSON of the WebSocket contract; None: nothing in it for this viewer."""
        if not with_lines and self.progress is None:
            return None
        shown: dict[str, Any] = {"type": "PROGRESS", "tenantId": tenant_id, "jobId": self.job_id}
        if self.progress is not None:
            shown["progress"] = self.progress
        if with_lines and self.log_end is not None:
            shown |= {"lines": self.lines, "logBefore": self.log_before, "logEnd": self.log_end}
        return orjson.dumps(shown).decode()


def encode_notes(notes: Iterable[tuple[str, Note]]) -> list[bytes]:
    """Messages for `job_updates`, one per tenant, from pairs of tenant and note: `{"tenantId",
    "notes": [[jobId, progress, lines, logBefore, logEnd], …]}`."""
    by_tenant: defaultdict[str, list[Any]] = defaultdict(list)
    for tenant_id, note in notes:
        by_tenant[tenant_id].append(
            (note.job_id, note.progress, note.lines, note.log_before, note.log_end)
        )
    return [
        orjson.dumps({"tenantId": tenant_id, "notes": of_tenant})
        for tenant_id, of_tenant in by_tenant.items()
    ]


def decode_notes(message: Mapping[str, Any], watched: Container[str]) -> list[Note]:
    """The notes of a message, if a viewer wants those of its tenant; InvalidJson for junk."""
    try:
        if message["tenantId"] not in watched:
            return []
        return [
            Note(str(job_id), progress, lines, before, end)
            for job_id, progress, lines, before, end, *_ in message["notes"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidJson(f"not a monoq message: {error}") from error
