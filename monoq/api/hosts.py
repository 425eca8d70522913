"""Which Host headers a port answers for: a page of another site whose name was pointed at this
address must not get an answer (DNS rebinding)."""

import re
from collections.abc import Iterable

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
ANY = "*"


class AllowedHosts:
    """Loopback, the address that the port is bound to, and `names` (`*` among them: every host)."""

    def __init__(self, names: Iterable[str], *, bound: str) -> None:
        address = f"[{bound}]" if ":" in bound else bound
        self._names = LOOPBACK | {name.lower() for name in (*names, address)}

    def refusal(self, host: str) -> str | None:
        """Why this Host header (lower case, with or without a port) is refused; None: it is not."""
        if ANY in self._names or re.sub(r":\d+$", "", host) in self._names:
            return None
        return (
            f"this port does not answer for the host {host[:100]!r};"
            " MONOQ_ALLOWED_HOSTS names those it does"
        )
