"""The mail as it goes over the wire (RFC 5322, MIME). It must be the same mail in each attempt:
its Message-ID distinguishes a repeat from another mail."""

from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import localtime
from uuid import UUID

from monoq.handlers.email.mailbox import Mailbox
from monoq.handlers.email.payload import Email

# The longest line that servers must take. By 78, the usual one, the library breaks up long words
# as well, such as the URL of a List-Unsubscribe.
LINE = 998
# Not 8bit: what a server passes on to may not know it.
_ASCII = SMTP.clone(max_line_length=LINE, cte_type="7bit")
_UTF8 = SMTPUTF8.clone(max_line_length=LINE, cte_type="7bit")


def needs_utf8(mail: Email, sender: Mailbox) -> bool:
    """Whether an address of it is beyond ASCII before its @."""
    named = [sender, *mail.recipients.values(), *([mail.replyTo] if mail.replyTo else [])]
    return not all(mailbox.is_ascii for mailbox in named)


def message_id(job_id: UUID, mail: Email, sender: Mailbox) -> str:
    """The same for each attempt of a job, unless it was given another mail."""
    return f"<{job_id}.{mail.digest}@{sender.domain}>"


def write_message(mail: Email, sender: Mailbox, job_id: UUID) -> bytes:
    """The whole mail, with CRLF line ends and without the bcc."""
    message = EmailMessage(_UTF8 if needs_utf8(mail, sender) else _ASCII)
    message["From"] = sender.header()
    for name, mailboxes in (("To", mail.to), ("Cc", mail.cc)):
        if mailboxes:
            message[name] = [mailbox.header() for mailbox in mailboxes]
    if mail.replyTo:
        message["Reply-To"] = mail.replyTo.header()
    message["Subject"] = mail.subject
    message["Date"] = localtime()
    message["Message-ID"] = message_id(job_id, mail, sender)
    for name, value in mail.headers.items():
        message[name] = value
    if mail.text is not None:
        message.set_content(mail.text)
    if mail.html is not None:
        if mail.text is None:
            message.set_content(mail.html, subtype="html")
        else:
            message.add_alternative(mail.html, subtype="html")
    for attachment in mail.attachments:
        main_type, _, subtype = attachment.contentType.partition("/")
        message.add_attachment(
            attachment.content, maintype=main_type, subtype=subtype, filename=attachment.filename
        )
    return message.as_bytes()
