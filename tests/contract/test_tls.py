"""Engines elsewhere, over TLS: what the URL says about certificates is obeyed by everything that
connects."""

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import serving

# PostgreSQL's way to ask for TLS
SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")

pytestmark = pytest.mark.skipif(
    not shutil.which("openssl"), reason="openssl, which makes the certificate, is not on PATH"
)


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Self-signed, for 127.0.0.1."""
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=monoq-test -addext "
        "subjectAltName=IP:127.0.0.1"
    )
    subprocess.run(
        [*command.split(), "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True
    )
    return cert, key


@asynccontextmanager
async def behind_tls(
    unix_socket: str, cert: Path, key: Path, *, postgres: bool
) -> AsyncIterator[int]:
    """A port that speaks TLS only, in front of an engine's socket."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if postgres:
                if await reader.readexactly(8) != SSL_REQUEST:
                    return writer.transport.abort()
                writer.write(b"S")
                await writer.start_tls(context)
            up_reader, up_writer = await asyncio.open_unix_connection(unix_socket)
            for way in (pump(reader, up_writer), pump(up_reader, writer)):
                task = asyncio.create_task(way)
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            return None
        return writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=None if postgres else context)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for task in list(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_certificates_are_checked_as_the_urls_say(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    cert, key = certificate(tmp_path, "right")
    other, _ = certificate(tmp_path, "other")
    postgres_socket = parse_qs(urlsplit(database_url).query)["host"][0] + "/.s.PGSQL.5432"
    redis_socket = urlsplit(redis_url).path
    database = urlsplit(database_url).path
    async with (
        behind_tls(postgres_socket, cert, key, postgres=True) as postgres_port,
        behind_tls(redis_socket, cert, key, postgres=False) as redis_port,
    ):
        secure_database = (
            f"postgresql://monoq@127.0.0.1:{postgres_port}{database}"
            "?sslmode=verify-full&sslrootcert="
        )
        secure_redis = f"rediss://127.0.0.1:{redis_port}/0?ssl_ca_certs="
        async with serving(f"{secure_database}{cert}", f"{secure_redis}{cert}") as server:
            (job_id,) = await server.submit([{"tenantId": "acme", "type": "nothing"}])
            await server.job_when(job_id, "COMPLETED")
            assert (await server.http.get("/health")).json() == {
                "status": "ok",
                "database": "ok",
                "queue": "ok",
            }
        async with serving(database_url, f"{secure_redis}{other}", role="api") as server:
            answer = (await server.http.get("/health")).json()
            assert answer["status"] == "degraded"
            assert "CERTIFICATE_VERIFY_FAILED" in answer["queue"]
        async with serving(f"{secure_database}{other}", redis_url, role="api") as server:
            answer = await server.http.get("/health")
            assert answer.status_code == 503
            assert "CERTIFICATE_VERIFY_FAILED" in answer.json()["database"]
