"""The error tree. A docstring is the default message. Drivers' errors are translated where they
occur and must not be raised further."""

from collections.abc import Mapping
from typing import Any


class MonoqError(Exception):
    """monoq failed"""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__ or "")


class ConfigError(MonoqError):
    """a setting is wrong"""  # the command line prints one line and exits with 2


class EmbeddedError(ConfigError):
    """an embedded engine did not start"""


class InvalidJson(MonoqError):  # noqa: N818
    """not JSON that can be stored and read again"""


class InvalidJob(MonoqError):  # noqa: N818
    """a job was refused; `errors` names each field and what is wrong with it"""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__("; ".join(f"{error['field']}: {error['message']}" for error in errors))
        self.errors = errors


class UnknownType(InvalidJob):
    """a job was refused because its type is not registered"""


class RefusedUrl(MonoqError):  # noqa: N818
    """this URL may not be called"""


class CallFailed(MonoqError):  # noqa: N818
    """the call got no valid answer"""


class IdempotencyConflict(MonoqError):  # noqa: N818
    """this idempotency key was used with another request"""


class TooBroad(MonoqError):  # noqa: N818
    """a search that would read too much; `field` names the filter to narrow"""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class TenantFull(MonoqError):  # noqa: N818
    """the tenant `tenant_id` has as many waiting jobs as its policy allows"""

    def __init__(self, tenant_id: str, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.tenant_id = tenant_id
        self.retry_after_s = retry_after_s


class DatabaseUnavailable(MonoqError):  # noqa: N818
    """PostgreSQL cannot be reached, or does not answer in time; `timed_out`: it took too long"""

    timed_out = False


class QueueUnavailable(MonoqError):  # noqa: N818
    """Redis cannot be reached, or does not answer in time"""


class ClaimLost(MonoqError):  # noqa: N818
    """the job is no longer this run's: it was cancelled, or taken by another worker"""


class RequestRefused(MonoqError):  # noqa: N818
    """the server refused the request; `status` and `problem` say why"""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        fields = "; ".join(
            f"{error['field']}: {error['message']}" for error in problem.get("errors", ())
        )
        super().__init__(fields or str(problem.get("detail") or f"HTTP {status}"))
        self.status = status
        self.problem = problem


class ServerUnreachable(MonoqError):  # noqa: N818
    """no monoq server answers at this URL"""


class CursorRefused(MonoqError):  # noqa: N818
    """the stream cannot continue from this cursor: read the jobs again"""
