"""The result of one check, and what a process says of all of them."""

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple


class Severity(IntEnum):
    """The severity; its value is the exit code of `monoq check`, if nothing is worse."""

    OK = 0
    WARN = 3  # it works, and should be changed
    FAIL = 1  # a start would not succeed, or jobs may be lost, or it will not work for long


class Finding(NamedTuple):
    """A finding and the recommended action."""

    severity: Severity
    text: str
    advice: str = ""

    @property
    def ok(self) -> bool:
        """Whether a start would succeed."""
        return self.severity is not Severity.FAIL

    def __str__(self) -> str:
        word = "ok" if self.severity is Severity.OK else self.severity.name
        line = f"{word:4} {self.text}"
        return f"{line}\n     {self.advice}" if self.advice else line


def ok(text: str) -> Finding:
    """All is well."""
    return Finding(Severity.OK, text)


def warn(text: str, advice: str = "") -> Finding:
    """It works, and should be changed."""
    return Finding(Severity.WARN, text, advice)


def fail(text: str, advice: str = "") -> Finding:
    """It does not work, or not for long."""
    return Finding(Severity.FAIL, text, advice)


def exit_code(findings: Iterable[Finding]) -> int:
    """Of the worst of them."""
    severities = {finding.severity for finding in findings}
    for severity in (Severity.FAIL, Severity.WARN):
        if severity in severities:
            return severity
    return Severity.OK
