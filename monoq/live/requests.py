"""Messages of clients on a WebSocket. Pure; an error must name what is wrong."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from monoq import codec
from monoq.errors import InvalidJson
from monoq.job import TENANT_PATTERN
from monoq.live.totals import TOPIC


class Subscribe(BaseModel):
    """About one tenant. `batch`, `cursor`, `progress` and `log` opt in to more kinds of frames."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["SUBSCRIBE", "UNSUBSCRIBE"]
    tenant_id: Annotated[str, Field(alias="tenantId", pattern=TENANT_PATTERN)]
    batch: bool = False
    progress: bool = False
    log: Annotated[str, Field(max_length=64)] | None = None  # a job's id
    cursor: Any = None  # of any type: one that cannot be parsed is answered with RESET

    @property
    def follows(self) -> bool:
        """Whether the client wants cursors; null is a wish as well."""
        return "cursor" in self.model_fields_set


class SubscribeTotals(BaseModel):
    """About all tenants together."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["SUBSCRIBE", "UNSUBSCRIBE"]
    topic: Literal["totals"]


_OF_TENANT = TypeAdapter(Subscribe)
_OF_TOTALS = TypeAdapter(SubscribeTotals)


class Refused(Exception):  # noqa: N818 - an answer
    """What a client said cannot be obeyed; `code` is for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_request(text: str) -> Subscribe | SubscribeTotals:
    """What a client said; raises Refused."""
    try:
        said = codec.loads(text)
        if isinstance(said, dict) and "topic" in said:
            if said["topic"] != TOPIC:
                topic = str(said["topic"])[:100]
                raise Refused("unknown_topic", f"there is no topic {topic!r}; there is {TOPIC!r}")
            if "tenantId" in said:
                raise Refused("invalid_message", "tenantId and topic exclude one another")
            return _OF_TOTALS.validate_python(said)
        return _OF_TENANT.validate_python(said)
    except InvalidJson as error:
        raise Refused("invalid_json", str(error)) from None
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "message"
        raise Refused("invalid_message", f"{where}: {problem['msg']}") from None
