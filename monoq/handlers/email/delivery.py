"""Sends one mail over a connection and returns the answer for each recipient. It must separate
known from unknown outcomes: SMTP has no idempotency, and a client that loses the connection after
DATA cannot learn whether the mail was taken."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from monoq.handlers.email.mailbox import Mailbox

if TYPE_CHECKING:
    from aiosmtplib import SMTP

MAX_TEXT = 500
# "authenticate first", "no such credentials" and the like: of the connection, not of this mail
OF_THE_CONNECTION = (421, 432, 454, 530, 534, 535, 538)

Status = Literal["accepted", "refused", "deferred", "unknown"]


class Outcome(NamedTuple):
    """What became of the mail for one recipient. `deferred`: refused for now (4xx), try again."""

    status: Status
    code: int | None = None
    text: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, [self.status, str(self.code or ""), self.text]))


Outcomes = dict[str, Outcome]  # by address


class NotSent(Exception):  # noqa: N818 - what the server said, or did not
    """Nothing of the mail was sent to anybody, for a reason that is not the mail's: try again."""


class Refused(Exception):  # noqa: N818
    """The server rejects this mail for every recipient."""


class Envelope(NamedTuple):
    """The SMTP envelope of a mail."""

    sender: Mailbox
    recipients: Sequence[Mailbox]
    size: int
    utf8: bool


async def deliver(
    smtp: "SMTP",
    envelope: Envelope,
    message: bytes,
    about_to_send: Callable[[Outcomes], Awaitable[None]],
    answer_s: float,
) -> Outcomes:
    """Sends a mail and returns what became of it for each recipient.

    Args:
        smtp: In no transaction; afterwards it may be in one.
        envelope: The sender and the recipients.
        message: With CRLF line ends.
        about_to_send: Is awaited before the first byte of DATA, with the outcomes if no answer
            comes: `unknown` for each recipient that the server would deliver it to.
        answer_s: Seconds that the server may take for DATA.

    Raises NotSent and Refused, after which nobody has got it; what `about_to_send` raises. If this
    raises anything else before `about_to_send` is called, nobody has got it either; later, nobody
    knows.
    """
    from aiosmtplib import SMTPDataError

    outcomes = await _introduce(smtp, envelope)
    asked = [address for address, outcome in outcomes.items() if outcome.status == "accepted"]
    if not asked:
        return outcomes
    in_doubt = {address: Outcome("unknown") for address in asked}
    await about_to_send(outcomes | in_doubt)
    try:
        answer = await smtp.data(message, timeout=answer_s)
    except SMTPDataError as error:
        outcome = outcome_of(error.code, error.message)
        if outcome.status not in ("deferred", "refused"):  # an answer that no standard knows
            raise
        return outcomes | dict.fromkeys(asked, outcome)
    return outcomes | dict.fromkeys(asked, outcome_of(answer.code, answer.message))


async def _introduce(smtp: "SMTP", envelope: Envelope) -> Outcomes:
    """MAIL and RCPT: what the server says to each recipient."""
    from aiosmtplib import SMTPRecipientRefused, SMTPSenderRefused

    options = [f"SIZE={envelope.size}"] if smtp.supports_extension("size") else []
    if envelope.utf8:
        if not smtp.supports_extension("smtputf8"):
            raise Refused(
                "the mail server accepts no non-ASCII characters before the @"
                " (it does not offer SMTPUTF8)"
            )
        options.append("SMTPUTF8")
    encoding = "utf-8" if envelope.utf8 else "ascii"
    try:
        await smtp.mail(envelope.sender.address, options=options, encoding=encoding)
    except SMTPSenderRefused as error:
        outcome = outcome_of(error.code, error.message)
        if outcome.status == "refused" and error.code not in OF_THE_CONNECTION:
            raise Refused(f"the sender {envelope.sender.address} is {outcome}") from None
        raise NotSent(f"the sender {envelope.sender.address} is {outcome}") from None
    outcomes: Outcomes = {}
    for recipient in envelope.recipients:
        try:
            answer = await smtp.rcpt(recipient.address, encoding=encoding)
        except SMTPRecipientRefused as error:
            if error.code == 421:  # it closes the connection
                raise NotSent(str(outcome_of(error.code, error.message))) from None
            outcome = outcome_of(error.code, error.message)
            if outcome.status == "unknown":  # no standard knows it; but nothing was sent yet
                outcome = outcome._replace(status="deferred")
            outcomes[recipient.address] = outcome
        else:
            outcomes[recipient.address] = outcome_of(answer.code, answer.message)
    return outcomes


def outcome_of(code: int, text: str) -> Outcome:
    """What an answer of the server means (RFC 5321, 4.2.1)."""
    statuses: Mapping[int, Status] = {2: "accepted", 4: "deferred", 5: "refused"}
    return Outcome(statuses.get(code // 100, "unknown"), code, plain(text))


def plain(text: str) -> str:
    """What a server said, as one short line."""
    line = re.sub(r"[\s\x00-\x1f\x7f\ud800-\udfff]+", " ", text).strip()
    return line[:MAX_TEXT]
