"""The job type `email` against a real SMTP server and a real PostgreSQL: what is sent to whom, and
what is said when it is not known."""

import asyncio
import shutil
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from conftest import eventually
from mail import MailServer, mail_server

from contract.test_tls import certificate
from monoq import Fail, JobContext, Retry, Snooze
from monoq.handlers.email.connections import Connections
from monoq.handlers.email.mailbox import read_mailbox
from monoq.handlers.email.payload import Email
from monoq.handlers.email.sender import EmailSender
from monoq.handlers.email.sends import Sends, statement
from monoq.handlers.email.server import SmtpServer, read_smtp_url

ANN, BOB, CID = "ann@example.com", "bob@example.com", "cid@example.com"


class Job:
    """A job of the table, which this test claims and ends as a worker would."""

    def __init__(self, db: asyncpg.Connection, sender: EmailSender, mail: dict[str, Any]) -> None:
        self.db = db
        self.sender = sender
        self.mail = Email.model_validate({"subject": "s", "text": "t"} | mail)
        self.id = UUID(int=0)

    async def run(self, *, timeout: float = 30.0, max_attempts: int = 3) -> Any:
        """One run: its result, or how it asked to be ended."""
        ctx = await self.claim(timeout=timeout, max_attempts=max_attempts)
        try:
            ended: Any = await self.sender.send(self.mail, ctx)
            await self.end("COMPLETED")
        except Fail as fail:
            ended = fail
            await self.end("FAILED", str(fail))
        except Retry as retry:
            ended = retry
            await self.end("FAILED" if ctx.attempt >= max_attempts else "PENDING", str(retry))
        except Snooze as snooze:
            ended = snooze
            await self.end("PENDING", None, attempts_back=1)
        return ended

    async def claim(self, *, timeout: float = 30.0, max_attempts: int = 3) -> JobContext:
        if not self.id.int:
            self.id = await self.db.fetchval(
                "INSERT INTO jobs (tenant_id, type) VALUES ('acme', 'email') RETURNING id"
            )
        row = await self.db.fetchrow(
            "UPDATE jobs SET status = 'RUNNING', claim = claim + 1, attempts = attempts + 1,"
            " worker_id = 1, deadline_at = now() WHERE id = $1 AND status = 'PENDING'"
            " RETURNING claim, attempts",
            self.id,
        )
        assert row, "it is not PENDING"
        return JobContext(
            self.id,
            "acme",
            "email",
            row["attempts"],
            max_attempts,
            row["claim"],
            time.monotonic() + timeout,
        )

    async def end(self, status: str, error: str | None = None, attempts_back: int = 0) -> None:
        await self.db.execute(
            "UPDATE jobs SET status = $2::text::job_status, worker_id = NULL, deadline_at = NULL,"
            " error = $3, attempts = attempts - $4,"
            " finished_at = CASE WHEN $2::text <> 'PENDING' THEN now() END,"
            " errors = CASE WHEN $3::text IS NULL THEN errors"
            " ELSE errors || jsonb_build_object('error', $3::text, 'at', now()) END WHERE id = $1",
            self.id,
            status,
            error,
            attempts_back,
        )

    async def lose(self) -> None:
        """Its worker was lost."""
        await self.end("PENDING", "the worker was lost", attempts_back=1)

    async def retry_by_a_person(self) -> None:
        await self.db.execute(
            "UPDATE jobs SET status = 'PENDING', finished_at = NULL, attempts = 0, error = NULL"
            " WHERE id = $1 AND status IN ('FAILED', 'CANCELLED')",
            self.id,
        )


def outcomes(result: Any) -> dict[str, tuple[str, int]]:
    assert isinstance(result, dict), result
    return {one["address"]: (one["status"], one["code"]) for one in result["recipients"]}


@asynccontextmanager
async def sending(database_url: str, port: int, size: int = 4) -> AsyncIterator[EmailSender]:
    server = SmtpServer("127.0.0.1", port, tls=False, starttls="never")
    sender = EmailSender(
        Connections(server, size), Sends(database_url), read_mailbox("Shop <shop@example.com>")
    )
    try:
        yield sender
    finally:
        await sender.close()


@pytest.fixture
async def mails() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server


@pytest.fixture
async def sender(database_url: str, mails: MailServer) -> AsyncIterator[EmailSender]:
    async with sending(database_url, mails.port) as made:
        yield made


async def test_a_mail_gets_to_everybody_and_the_result_says_so(
    db: asyncpg.Connection, sender: EmailSender, mails: MailServer
) -> None:
    job = Job(db, sender, {"to": [ANN], "cc": f"Bob <{BOB}>", "bcc": [CID]})
    result = await job.run()
    assert outcomes(result) == dict.fromkeys([ANN, BOB, CID], ("accepted", 250))
    (mail,) = mails.mails
    assert (mail.sender, mail.recipients) == ("shop@example.com", [ANN, BOB, CID])
    assert (
        mail.message["Message-ID"]
        == result["messageId"]
        == f"<{job.id}.{job.mail.digest}@example.com>"
    )
    assert (mail.message["To"], mail.message["Cc"]) == (ANN, f"Bob <{BOB}>")
    assert b"cid" not in mail.content


async def test_who_is_refused_for_now_is_tried_again_and_nobody_else(
    db: asyncpg.Connection, sender: EmailSender, mails: MailServer
) -> None:
    job = Job(db, sender, {"to": [ANN, BOB, CID]})
    mails.answers = {BOB: "450 4.2.0 greylisted", CID: "550 5.1.1 no such user"}
    ended = await job.run()
    assert isinstance(ended, Retry)
    assert str(ended) == f"refused for now: {BOB}: 450 4.2.0 greylisted"
    mails.answers = {}
    assert outcomes(await job.run()) == {
        ANN: ("accepted", 250),
        BOB: ("accepted", 250),
        CID: ("refused", 550),
    }
    assert [mail.recipients for mail in mails.mails] == [[ANN], [BOB]]
    first, second = (mail.message["Message-ID"] for mail in mails.mails)
    assert first == second


async def test_who_is_refused_for_now_to_the_last_is_told_in_the_result(
    db: asyncpg.Connection, sender: EmailSender, mails: MailServer
) -> None:
    job = Job(db, sender, {"to": [ANN, BOB]})
    mails.answers = {BOB: "450 4.2.0 greylisted"}
    assert isinstance(await job.run(max_attempts=2), Retry)
    assert outcomes(await job.run(max_attempts=2)) == {
        ANN: ("accepted", 250),
        BOB: ("refused", 450),
    }
    assert [mail.recipients for mail in mails.mails] == [[ANN]]


@pytest.mark.parametrize("where", ["recipient", "sender", "data"])
async def test_what_is_refused_for_good_fails_at_once_and_what_is_refused_for_now_does_not(
    db: asyncpg.Connection, sender: EmailSender, mails: MailServer, where: str
) -> None:
    def fault(answer: str) -> dict[str, Any]:
        faults: dict[str, dict[str, Any]] = {
            "recipient": {"answers": {ANN: answer}},
            "sender": {"sender_answer": answer},
            "data": {"data_answer": answer},
        }
        return faults[where]

    job = Job(db, sender, {"to": [ANN]})
    with mails.faults(**fault("451 4.3.0 try later")):
        ended = await job.run()
        assert isinstance(ended, Retry)
        assert "451 4.3.0 try later" in str(ended)
    with mails.faults(**fault("550 5.7.1 never")):
        ended = await job.run()
        assert isinstance(ended, Fail)
        assert "550 5.7.1 never" in str(ended)
    await job.retry_by_a_person()
    assert outcomes(await job.run()) == {ANN: ("accepted", 250)}
    assert len(mails.mails) == 1


async def test_a_connection_lost_after_data_leaves_the_mail_unknown_and_it_is_not_sent_again(
    db: asyncpg.Connection, sender: EmailSender, mails: MailServer
) -> None:
    job = Job(db, sender, {"to": [ANN, BOB]})
    with mails.faults(cut=True, answers={BOB: "450 4.2.0 greylisted"}):
        ended = await job.run()
    assert isinstance(ended, Fail)
    assert str(ended).startswith("unknown: ")
    assert ANN in str(ended)
    assert BOB not in str(ended)
    assert len(mails.mails) == 1
    await job.retry_by_a_person()  # who was told
    assert set(outcomes(await job.run())) == {ANN, BOB}
    assert [mail.recipients for mail in mails.mails] == [[ANN], [ANN, BOB]]


async def test_resend_sends_once_more_what_may_have_been_sent(
    db: asyncpg.Connection, sender: EmailSender, mails: MailServer
) -> None:
    job = Job(db, sender, {"to": [ANN], "resend": True})
    with mails.faults(cut=True):
        ended = await job.run()
    assert isinstance(ended, Retry)
    assert str(ended).startswith("unknown: ")
    assert outcomes(await job.run()) == {ANN: ("accepted", 250)}
    assert len({mail.message["Message-ID"] for mail in mails.mails}) == 1


async def test_the_last_attempt_of_a_resend_promises_no_other(
    db: asyncpg.Connection, sender: EmailSender, mails: MailServer
) -> None:
    with mails.faults(cut=True):
        ended = await Job(db, sender, {"to": [ANN], "resend": True}).run(max_attempts=1)
    assert isinstance(ended, Fail)
    assert str(ended).endswith("Retry the job to send it to them once more")


async def test_a_run_that_is_cancelled_while_it_waits_for_the_answer_says_unknown(
    db: asyncpg.Connection, sender: EmailSender, mails: MailServer
) -> None:
    got = asyncio.Event()

    async def never() -> None:
        got.set()
        await asyncio.sleep(60)

    mails.before_answer = never
    job = Job(db, sender, {"to": [ANN]})
    run = asyncio.create_task(job.run())
    await got.wait()
    run.cancel()
    ended = await run
    assert isinstance(ended, Fail)
    assert str(ended).startswith("unknown: ")


async def test_a_server_that_never_answers_a_mail_is_waited_for_until_the_deadline_only(
    db: asyncpg.Connection, sender: EmailSender, mails: MailServer
) -> None:
    async def never() -> None:
        await asyncio.sleep(60)

    mails.before_answer = never
    began = time.monotonic()
    ended = await Job(db, sender, {"to": [ANN]}).run(timeout=3.5)
    assert isinstance(ended, Fail)
    assert str(ended).startswith("unknown: ")
    assert time.monotonic() - began < 3.5


async def test_a_run_that_was_lost_before_data_is_repeated(
    db: asyncpg.Connection, sender: EmailSender, mails: MailServer
) -> None:
    asked = asyncio.Event()

    async def wait() -> None:
        asked.set()
        await asyncio.sleep(60)

    job = Job(db, sender, {"to": [ANN]})
    with mails.faults(before_rcpt=wait):
        run = asyncio.create_task(sender.send(job.mail, await job.claim()))
        await asked.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
    await job.lose()
    assert outcomes(await job.run()) == {ANN: ("accepted", 250)}
    assert len(mails.mails) == 1


@pytest.mark.parametrize("resend", [False, True])
async def test_a_run_that_was_lost_while_it_sent_is_told_of_by_the_next_one(
    db: asyncpg.Connection, sender: EmailSender, mails: MailServer, database_url: str, resend: bool
) -> None:
    got = asyncio.Event()

    async def wait() -> None:
        got.set()
        await asyncio.sleep(60)

    job = Job(db, sender, {"to": [ANN], "resend": resend})
    async with sending(database_url, mails.port) as lost:
        with mails.faults(before_answer=wait):
            run = asyncio.create_task(lost.send(job.mail, await job.claim()))
            await got.wait()
            await job.lose()
            ended = await job.run() if not resend else None
            run.cancel()
            with pytest.raises((Fail, Retry), match="unknown: "):
                await run
    if resend:
        assert outcomes(await job.run()) == {ANN: ("accepted", 250)}
        assert len(mails.mails) == 2
        return
    assert isinstance(ended, Fail)
    assert str(ended).startswith("unknown: an earlier run was lost while it sent the mail")
    assert len(mails.mails) == 1
    await job.retry_by_a_person()
    assert outcomes(await job.run()) == {ANN: ("accepted", 250)}
    assert len(mails.mails) == 2


async def test_a_job_that_is_given_another_mail_sends_it_to_everybody(
    db: asyncpg.Connection, sender: EmailSender, mails: MailServer
) -> None:
    """As a submit with `replace` does to one that waits for its retry."""
    job = Job(db, sender, {"to": [ANN, BOB], "subject": "old"})
    mails.answers = {BOB: "450 4.2.0 greylisted"}
    assert isinstance(await job.run(), Retry)
    mails.answers = {}
    job.mail = Email.model_validate({"to": [ANN, BOB], "subject": "new", "text": "t"})
    assert outcomes(await job.run()) == dict.fromkeys([ANN, BOB], ("accepted", 250))
    assert [(mail.message["Subject"], mail.recipients) for mail in mails.mails] == [
        ("old", [ANN]),
        ("new", [ANN, BOB]),
    ]
    assert len({mail.message["Message-ID"] for mail in mails.mails}) == 2


async def test_the_word_unknown_is_for_one_retry_only(
    db: asyncpg.Connection, sender: EmailSender, mails: MailServer
) -> None:
    job = Job(db, sender, {"to": [ANN]})
    for n in (1, 2):
        with mails.faults(cut=True):
            ended = await job.run()
        assert str(ended).startswith("unknown: ")
        await job.retry_by_a_person()
        assert len(mails.mails) == n
    got = asyncio.Event()

    async def wait() -> None:
        got.set()
        await asyncio.sleep(60)

    with mails.faults(before_answer=wait):
        run = asyncio.create_task(sender.send(job.mail, await job.claim()))
        await got.wait()
        run.cancel()
        with pytest.raises(Fail):
            await run
    await job.lose()  # before it was written
    ended = await job.run()
    assert str(ended).startswith("unknown: an earlier run was lost")
    assert len(mails.mails) == 3


async def test_of_two_runs_that_hold_one_another_for_dead_one_sends(
    db: asyncpg.Connection, sender: EmailSender, mails: MailServer, database_url: str
) -> None:
    """The first is frozen before it writes that it begins, and comes back at each moment of the
    second."""
    for _ in range(20):
        mails.mails.clear()
        job = Job(db, sender, {"to": [ANN]})
        first = await job.claim()
        await job.lose()
        second = await job.claim()
        async with sending(database_url, mails.port) as other:
            ends = await asyncio.gather(
                sender.send(job.mail, first), other.send(job.mail, second), return_exceptions=True
            )
        assert len(mails.mails) == 1, ends
        assert isinstance(ends[0], Fail)
        assert isinstance(ends[1], dict)


async def test_who_began_while_another_run_had_looked_already_is_seen_when_that_one_begins(
    db: asyncpg.Connection, sender: EmailSender, mails: MailServer, database_url: str
) -> None:
    """The write of the first is under way when its job is taken from it."""
    job = Job(db, sender, {"to": [ANN]})
    first = await job.claim()
    late = await asyncpg.connect(database_url)
    async with late.transaction():
        begun = await late.fetchrow(
            statement("begin_email_send"),
            *(job.id, first.claim, "{}", None, [], job.mail.digest),
        )
        assert begun
        await job.lose()
        second = asyncio.create_task(sender.send(job.mail, await job.claim()))
        await eventually(lambda: db.fetchval("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted"))
    with pytest.raises(Fail, match="unknown: another run began to send the mail"):
        await second
    await late.close()
    assert mails.mails == []


async def test_a_job_that_was_cancelled_before_data_is_not_sent(
    db: asyncpg.Connection, sender: EmailSender, mails: MailServer
) -> None:
    job = Job(db, sender, {"to": [ANN]})
    ctx = await job.claim()
    await job.end("CANCELLED")
    with pytest.raises(Fail):
        await sender.send(job.mail, ctx)
    assert mails.mails == []
    await job.retry_by_a_person()
    assert outcomes(await job.run()) == {ANN: ("accepted", 250)}


async def test_while_postgres_is_away_nothing_is_sent_and_no_attempt_is_charged(
    mails: MailServer, db: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monoq.handlers.email.run.BEGIN_WITHIN_S", 0.1)
    async with sending("postgresql://nobody@127.0.0.1:1/none", mails.port) as sender:
        ended = await Job(db, sender, {"to": [ANN]}).run()
    assert isinstance(ended, Snooze)
    assert mails.mails == []


async def test_a_server_that_is_away_is_a_failed_attempt(
    db: asyncpg.Connection, database_url: str
) -> None:
    async with sending(database_url, 1) as sender:
        ended = await Job(db, sender, {"to": [ANN]}).run()
    assert isinstance(ended, Retry)
    assert str(ended).startswith("not sent: Error connecting to 127.0.0.1 on port 1")


async def test_connections_are_bounded_and_used_again_and_closed_at_the_stop(
    db: asyncpg.Connection, database_url: str, mails: MailServer
) -> None:
    async with sending(database_url, mails.port, size=2) as sender:
        jobs = [Job(db, sender, {"to": [ANN]}) for _ in range(12)]
        ends = await asyncio.gather(
            *(sender.send(job.mail, ctx) for job, ctx in [(job, await job.claim()) for job in jobs])
        )
        assert len(ends) == len(mails.mails) == 12
        assert mails.connections == 2
        assert mails.open == 2
    await eventually(lambda: mails.open == 0)
    kept = await db.fetchval("SELECT count(*) FROM email_sends")
    assert kept == 12


async def test_a_connection_that_the_server_closed_is_replaced(
    db: asyncpg.Connection, sender: EmailSender, mails: MailServer
) -> None:
    assert isinstance(await Job(db, sender, {"to": [ANN]}).run(), dict)
    mails.drop_all()
    assert isinstance(await Job(db, sender, {"to": [ANN]}).run(), dict)
    assert mails.connections == 2


async def test_who_waits_too_long_for_a_connection_is_charged_no_attempt(
    db: asyncpg.Connection, database_url: str, mails: MailServer
) -> None:
    got = asyncio.Event()

    async def wait() -> None:
        got.set()
        await asyncio.sleep(60)

    async with sending(database_url, mails.port, size=1) as sender:
        with mails.faults(before_answer=wait):
            first = asyncio.create_task(Job(db, sender, {"to": [ANN]}).run())
            await got.wait()
            assert isinstance(await Job(db, sender, {"to": [BOB]}).run(timeout=2.5), Snooze)
            first.cancel()
            await first


async def test_what_is_known_of_mails_that_are_sent_is_forgotten_with_the_next_one(
    db: asyncpg.Connection, sender: EmailSender, mails: MailServer
) -> None:
    for _ in range(3):
        assert isinstance(await Job(db, sender, {"to": [ANN]}).run(), dict)
    assert await db.fetchval("SELECT count(*) FROM email_sends") == 1


async def test_an_address_beyond_ascii_needs_a_server_that_takes_it(
    db: asyncpg.Connection, database_url: str
) -> None:
    mail = {"to": ["jürgen@bücher.example"]}
    async with mail_server() as mails, sending(database_url, mails.port) as sender:
        assert isinstance(await Job(db, sender, mail).run(), dict)
        assert mails.mails[0].recipients == ["jürgen@xn--bcher-kva.example"]
    async with (
        mail_server(enable_SMTPUTF8=False) as mails,
        sending(database_url, mails.port) as sender,
    ):
        ended = await Job(db, sender, mail).run()
        assert isinstance(ended, Fail)
        assert "SMTPUTF8" in str(ended)
        # the domain alone needs nothing of the server
        assert isinstance(await Job(db, sender, {"to": ["ann@bücher.example"]}).run(), dict)


async def test_without_a_server_or_a_sender_a_job_says_what_to_set(
    db: asyncpg.Connection, database_url: str, mails: MailServer
) -> None:
    sends = Sends(database_url)
    ended = await Job(db, EmailSender(None, sends, None), {"to": [ANN]}).run()
    assert str(ended) == "no mail server is configured: set MONOQ_SMTP_URL"
    server = SmtpServer("127.0.0.1", mails.port, tls=False, starttls="never")
    ended = await Job(db, EmailSender(Connections(server, 1), sends, None), {"to": [ANN]}).run()
    assert str(ended) == "the mail has no sender: give it `from`, or set MONOQ_SMTP_FROM"


needs_openssl = pytest.mark.skipif(
    not shutil.which("openssl"), reason="openssl, which makes the certificate, is not on PATH"
)


@needs_openssl
@pytest.mark.parametrize("way", ["smtps", "starttls"])
async def test_tls_and_a_login_are_used_and_the_certificate_is_checked(
    db: asyncpg.Connection, database_url: str, tmp_path: Path, way: str
) -> None:
    cert, key = certificate(tmp_path, "mail")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    options: dict[str, Any] = (
        {"tls": context} if way == "smtps" else {"tls_context": context, "require_starttls": True}
    )
    async with mail_server(login=("ann", "s/cret"), **options) as mails:
        scheme = "smtps" if way == "smtps" else "smtp"
        url = f"{scheme}://ann:s%2Fcret@127.0.0.1:{mails.port}"
        for whole, ok in (
            (f"{url}?cafile={cert}", True),
            (url, False),  # nobody whom we trust has signed it
            (f"{url.replace('s%2Fcret', 'wrong')}?cafile={cert}", False),
        ):
            sender = EmailSender(
                Connections(read_smtp_url(whole), 1), Sends(database_url), read_mailbox("a@b.c")
            )
            ended = await Job(db, sender, {"to": [ANN]}).run()
            await sender.close()
            assert isinstance(ended, dict if ok else Retry), ended
            assert "wrong" not in str(ended)
        assert len(mails.mails) == 1


async def test_a_password_is_not_given_to_a_server_that_hides_its_tls(
    db: asyncpg.Connection, database_url: str
) -> None:
    async with mail_server(login=("ann", "secret")) as mails:
        for query, type_ in (("", Retry), ("?starttls=never", dict)):
            server = read_smtp_url(f"smtp://ann:secret@127.0.0.1:{mails.port}{query}")
            sender = EmailSender(Connections(server, 1), Sends(database_url), read_mailbox("a@b.c"))
            assert isinstance(await Job(db, sender, {"to": [ANN]}).run(), type_)
            await sender.close()
