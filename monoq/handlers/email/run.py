"""One run of an `email` job: what is known of each recipient, what the next runs must know, and how
the run ends. The guarantee: no recipient gets a mail twice, unless the job was reported as unknown
before, or sets `resend`."""

import asyncio
import logging
import time
from typing import Any, NoReturn

from monoq.app.context import JobContext
from monoq.app.outcome import Fail, Retry
from monoq.handlers.email.delivery import Outcome, Outcomes
from monoq.handlers.email.mailbox import Mailbox
from monoq.handlers.email.message import message_id
from monoq.handlers.email.payload import Email
from monoq.handlers.email.sends import UNKNOWN, Note, NoteUnavailable, Sends

log = logging.getLogger(__name__)

MARGIN_S = 2.0  # before the deadline, to write down what is known
BEGIN_WITHIN_S = 20.0  # how long a connection waits for PostgreSQL, before anything is sent
AGAIN_S = 0.5
SHOWN = 5  # recipients in an error


class EmailRun:
    """A run, from its first look at what earlier ones left to its end."""

    def __init__(self, mail: Email, ctx: JobContext, sender: Mailbox, sends: Sends) -> None:
        self.mail = mail
        self.sender = sender
        self.has_begun = False  # the server may have got the mail
        self._ctx = ctx
        self._sends = sends
        self._digest = mail.digest
        self._note: Note | None = None
        self._known: Outcomes = {}
        self._if_lost: Outcomes = {}  # what is known if no answer comes

    @property
    def left(self) -> list[Mailbox]:
        """Recipients that the mail is still to be sent to."""
        return [
            mailbox
            for address, mailbox in self.mail.recipients.items()
            if address not in self._known
        ]

    @property
    def _is_last(self) -> bool:
        return self._ctx.attempt >= self._ctx.max_attempts

    @property
    def left_s(self) -> float:
        """Seconds until it must be written down what is known."""
        return max(0.0, self._ctx.deadline - MARGIN_S - time.monotonic())

    async def look(self) -> None:
        """Learns what earlier runs know. Raises Fail if one of them may have sent the mail, and
        nobody was told yet."""
        if self._ctx.claim == 1:  # there was none
            return
        self._note = await self._sends.read(self._ctx.job_id)
        if self._note is None or self._note.mail != self._digest:
            return  # a job that waited may have been given another mail
        if self._note.is_open and not (self._note.told or self.mail.resend):
            self._known = self._note.outcomes
            raise self._in_doubt("an earlier run was lost while it sent the mail")
        self._known = {
            address: outcome
            for address, outcome in self._note.outcomes.items()
            if outcome.status in ("accepted", "refused")
        }

    async def begin(self, outcomes: Outcomes) -> None:
        """Writes down that the server is about to get the mail, and `outcomes`, if no answer
        comes."""
        self._if_lost = outcomes
        end = time.monotonic() + min(BEGIN_WITHIN_S, self.left_s)
        while True:
            try:
                ours = await self._sends.begin(
                    self._ctx.job_id,
                    self._ctx.claim,
                    self._digest,
                    self._note,
                    self._known | outcomes,
                )
                break
            except NoteUnavailable:  # it may be written nevertheless; to write it again is no harm
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(AGAIN_S)
        if not ours:  # whatever this run says then, it counts only if the other one is not believed
            self.lose("another run began to send the mail")
        self.has_begun = True

    def take(self, outcomes: Outcomes) -> None:
        """What the server said."""
        self._known |= outcomes

    def lose(self, reason: str) -> NoReturn:
        """The server may have the mail, and the run will not learn it."""
        self._known |= self._if_lost
        raise self._in_doubt(reason)

    async def end(self) -> dict[str, Any]:
        """The result; raises Retry or Fail if there is none."""
        accepted = self._with("accepted")
        deferred = self._with("deferred")
        if deferred and not self._is_last:
            await self._leave(accepted | self._with("refused"))
            raise Retry(f"refused for now: {_words(deferred)}")
        if accepted:
            self._sends.is_needless(self._ctx.job_id)
            return {
                "messageId": message_id(self._ctx.job_id, self.mail, self.sender),
                "recipients": [_json(address, self._known[address]) for address in self._known],
            }
        await self._leave({})  # a person's retry is for everybody
        raise Fail(f"refused by the mail server: {_words(self._known)}")

    async def _leave(self, outcomes: Outcomes) -> None:
        """Writes down what is known, for the next run. Without it that run would have to say that
        nothing is known."""
        if not (self.has_begun or self._note):
            return
        claim = self._ctx.claim if self.has_begun else self._note.claim if self._note else 0
        while True:
            try:
                await self._sends.end(self._ctx.job_id, claim, is_open=False, outcomes=outcomes)
                return
            except NoteUnavailable as error:
                if not self.left_s:
                    log.warning(
                        "job %s: %s; the outcome was not recorded for the next run",
                        self._ctx.job_id,
                        error,
                    )
                    return
                await asyncio.sleep(AGAIN_S)

    def _in_doubt(self, reason: str) -> Fail | Retry:
        doubtful = ", ".join(list(self._with("unknown"))[:SHOWN])
        error = f"{UNKNOWN}{reason}; it is not known whether it got to {doubtful}"
        if self.mail.resend and not self._is_last:
            return Retry(f"{error}; it is sent once more")
        return Fail(f"{error}. Retry the job to send it to them once more")

    def _with(self, status: str) -> Outcomes:
        return {
            address: outcome for address, outcome in self._known.items() if outcome.status == status
        }


def _json(address: str, outcome: Outcome) -> dict[str, Any]:
    """`deferred` to the last is refused."""
    status = "refused" if outcome.status == "deferred" else outcome.status
    return {"address": address, "status": status, "code": outcome.code, "text": outcome.text}


def _words(outcomes: Outcomes) -> str:
    shown = [
        " ".join(filter(None, [f"{address}:", str(outcome.code or ""), outcome.text]))
        for address, outcome in list(outcomes.items())[:SHOWN]
    ]
    more = len(outcomes) - len(shown)
    return "; ".join([*shown, *([f"and {more} more"] if more else [])])
