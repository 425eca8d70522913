"""One monoq process that tests start, freeze and kill. They must use signals and sockets only,
never the inside of it."""

import contextlib
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import psutil


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Member:
    """One monoq process."""

    role: str
    command: list[str]
    env: dict[str, str]
    log: Path
    port: int = 0
    process: "subprocess.Popen[bytes]" = field(init=False)
    frozen: bool = False
    asked: bool = False  # whether it was asked to stop

    def start(self) -> None:
        self.asked = self.frozen = False
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.log.parent, env=self.env, stdout=log, stderr=log
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    def send(self, signum: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signum)

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.process.wait()

    def freeze(self) -> None:
        self.frozen = True
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.frozen = False
        self.send(signal.SIGCONT)

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def is_connected_to(self, port: int) -> bool:
        """Whether it holds a connection from this port."""
        return any(
            one.raddr and one.raddr.port == port
            for one in psutil.Process(self.pid).net_connections("tcp")
        )
