"""Takes what runs say of themselves, for tests without a worker around them."""

from collections.abc import Mapping
from typing import Any

from monoq.worker.run import Run


class Recorder:
    """`said`: in order, what a Reporter would have written."""

    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []

    def progress(self, run: Run, fraction: float, text: str) -> None:
        self.said.append(("progress", fraction, text))

    def log(self, run: Run, text: str, fields: Mapping[str, Any]) -> None:
        self.said.append(("log", text, dict(fields)))
