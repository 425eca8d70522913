"""Posts webhooks and says what their answers mean. Imported late: it brings the HTTP client
along."""

import asyncio
import email.utils
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import standardwebhooks

from monoq import codec
from monoq.app.context import JobContext
from monoq.app.outcome import Fail, Retry, Snooze
from monoq.errors import RefusedUrl
from monoq.handlers.webhook.payload import Webhook
from monoq.handlers.webhook.policy import SCHEDULE
from monoq.outgoing.board import Board
from monoq.outgoing.endpoints import Busy, Call, Endpoints
from monoq.outgoing.outgoing import Outgoing
from monoq.outgoing.transport import tls_context

GONE = 410
USER_AGENT = "monoq-webhook"
MAX_RETRY_AFTER_S = 86_400.0
MAX_READ = 65_536  # bytes of an answer that are read, and dropped, to use its connection again


class Deliveries:
    """Posts through one client, for one event loop."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        endpoints: Endpoints,
        outgoing: Outgoing,
        secrets: Sequence[str],
    ) -> None:
        self._client = client
        self._endpoints = endpoints
        self._outgoing = outgoing
        self._signers = [standardwebhooks.Webhook(secret) for secret in secrets]

    async def post(self, webhook: Webhook, ctx: JobContext) -> dict[str, Any]:
        """The answer's `status` and `durationMs`, if it is 200 to 299. Raises an outcome otherwise:
        Snooze while the endpoint is not to be called, Fail for a URL that is refused or gone, Retry
        for everything else."""
        try:
            async with self._endpoints.call(self._outgoing.check(webhook.url)) as call:
                answer = await self._post(webhook, ctx, call)
        except Busy as busy:
            raise Snooze(busy.delay_s) from None
        except (RefusedUrl, httpx.InvalidURL) as error:
            raise Fail(str(error)) from None
        if answer is None:
            raise Retry(call.silence or "no answer")
        duration_ms = round(call.took_s * 1000)
        if answer.is_success:
            return {"status": answer.status_code, "durationMs": duration_ms}
        told = f"answered with status {answer.status_code} after {duration_ms} ms"
        if answer.status_code == GONE:
            raise Fail(f"{told}: the receiver wants no more")
        if answer.is_redirect:
            told += "; redirects are not followed"
        raise Retry(told, delay=_delay_s(answer, ctx.attempt))

    async def _post(self, webhook: Webhook, ctx: JobContext, call: Call) -> httpx.Response | None:
        """The answer, its body left aside; None: there was none, and `call` says why."""
        body = codec.dumps(webhook.body)
        try:
            async with (
                asyncio.timeout(webhook.timeoutMs / 1000),
                self._client.stream(
                    "POST",
                    webhook.url,
                    content=body.encode(),
                    headers=self._headers(webhook, str(ctx.job_id), body),
                ) as answer,
            ):
                call.answer = answer.status_code
                await _read_away(answer)
                return answer
        except (TimeoutError, httpx.TimeoutException) as error:
            if call.answer is not None:
                return answer  # its status has come, and the rest is of no interest
            waited = f"no answer within {webhook.timeoutMs / 1000:g} s"
            call.silence = f"{waited}: {error}" if str(error) else waited
        except httpx.TransportError as error:
            if call.answer is not None:
                return answer
            call.silence = f"{type(error).__name__}: {error}".rstrip(": ")
        except asyncio.CancelledError:
            # not a word about the endpoint, but that of the job's time limit, if it is shorter
            if time.monotonic() >= ctx.deadline and call.answer is None:
                call.silence = "no answer within the time limit of the job"
            raise
        return None

    def _headers(self, webhook: Webhook, message_id: str, body: str) -> dict[str, str]:
        now = datetime.now(UTC)
        headers = {
            "user-agent": USER_AGENT,
            **webhook.headers,
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
        }
        if self._signers:
            signatures = [signer.sign(message_id, now, body) for signer in self._signers]
            headers["webhook-signature"] = " ".join(signatures)
        return headers


@asynccontextmanager
async def delivering(
    outgoing: Outgoing, secrets: Sequence[str], board: Board | None
) -> AsyncIterator[Deliveries]:
    """Deliveries and what they need, closed afterwards."""
    endpoints = Endpoints(board)
    async with outgoing.client(timeout=60) as client, endpoints.watching():
        yield Deliveries(client, endpoints, outgoing, secrets)


def preload() -> None:
    """Creates in advance what each child process would otherwise create."""
    tls_context()


async def _read_away(answer: httpx.Response) -> None:
    size = 0
    async for part in answer.aiter_raw():
        size += len(part)
        if size > MAX_READ:
            return


def _delay_s(answer: httpx.Response, attempt: int) -> float | None:
    """The delay that `Retry-After` requests, a day at most, if it exceeds the schedule; None: as
    the schedule says."""
    asked = answer.headers.get("retry-after", "").strip()
    if asked.isdecimal() and asked.isascii():
        after_s = float(asked[:9])
    else:
        try:
            after_s = email.utils.parsedate_to_datetime(asked).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    after_s = min(after_s, MAX_RETRY_AFTER_S)
    usual_s = SCHEDULE.delay(attempt)
    return after_s if after_s > usual_s else usual_s
