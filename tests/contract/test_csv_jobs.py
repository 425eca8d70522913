"""Jobs of the type `csv_profile` in whole workers: from a text, a URL and a file."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import Server, eventually, serving

from monoq.config import load_settings
from monoq.errors import ConfigError

CSV = "item,price\nbread,2.50\nmilk,1.20\n"


def job(**payload: Any) -> dict[str, Any]:
    return {"tenantId": "acme", "type": "csv_profile", "payload": payload}


async def ended(server: Server, **payload: Any) -> dict[str, Any]:
    (job_id,) = await server.submit([job(**payload)])
    return await server.job_when(job_id, "COMPLETED", "FAILED")


@asynccontextmanager
async def web_server(body: bytes, head: bytes = b"200 OK") -> AsyncIterator[int]:
    """Answers each request on its port with this."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 %s\r\nConnection: close\r\n\r\n" % head + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


def is_the_profile(result: dict[str, Any]) -> bool:
    return result["rows"] == 2 and [
        (one["name"], one["type"], one["min"], one["max"]) for one in result["columns"]
    ] == [("item", "text", "bread", "milk"), ("price", "number", 1.2, 2.5)]


async def test_a_csv_comes_from_a_text_a_url_or_a_file(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    async with web_server(CSV.encode()) as port:
        settings = {"allowed_networks": "127.0.0.0/8", "files_dir": tmp_path}
        async with serving(database_url, redis_url, **settings) as server:
            for payload in (
                {"csv": CSV},
                {"url": f"http://127.0.0.1:{port}/a.csv"},
                {"path": "a.csv"},
            ):
                done = await ended(server, **payload)
                assert done["status"] == "COMPLETED", done["error"]
                assert is_the_profile(done["result"])


async def test_what_may_not_be_read_is_not_read(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "secret.csv").write_text(CSV)
    (tmp_path / "files" / "link.csv").symlink_to("../secret.csv")
    (tmp_path / "files" / "big.csv").write_text("a\n" + "1\n" * 1000)
    async with serving(database_url, redis_url) as server:
        answer = await server.http.post("/jobs", json=job(url="http://127.0.0.1:1/a.csv"))
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "payload.url"
        done = await ended(server, path="a.csv")
        assert done["error"] == "files cannot be read: set MONOQ_FILES_DIR to a folder"
        for payload, field in (
            ({}, "payload"),
            ({"csv": CSV, "path": "a.csv"}, "payload"),
            ({"path": "../secret.csv"}, "payload.path"),
            ({"path": "/etc/passwd"}, "payload.path"),
        ):
            answer = await server.http.post("/jobs", json=job(**payload))
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["field"] == field
    settings = {
        "allowed_networks": "127.0.0.0/8",
        "files_dir": tmp_path / "files",
        "csv_max_bytes": 1000,
    }
    async with serving(database_url, redis_url, **settings) as server:
        done = await ended(server, path="link.csv")
        assert done["error"] == "link.csv is not a file in the folder of MONOQ_FILES_DIR"
        done = await ended(server, path="big.csv")
        assert done["error"] == "the file is 2002 bytes; at most 1000 are read"
        async with web_server(b"a\n" + b"1\n" * 1000) as port:
            (job_id,) = await server.submit(
                [job(url=f"http://127.0.0.1:{port}") | {"maxAttempts": 1}]
            )
            done = await server.job_when(job_id, "FAILED")
            assert done["error"] == "the download failed: the body is longer than 1000 bytes"
        moved = b"302 Found\r\nLocation: http://127.0.0.1:1/"
        async with web_server(b"", moved) as port:
            (job_id,) = await server.submit(
                [job(url=f"http://127.0.0.1:{port}") | {"maxAttempts": 1}]
            )
            done = await server.job_when(job_id, "FAILED")
            assert "redirects are not followed" in done["error"]


async def test_what_is_no_csv_fails_at_once_with_its_line(server: Server) -> None:
    done = await ended(server, csv="a,b\n1,2\n3\n")
    assert (done["status"], done["attempts"]) == ("FAILED", 1)
    assert done["error"] == "line 3 is no row of this CSV: it has 1 fields, not 2"


async def test_the_progress_of_a_large_csv_is_told(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    with (tmp_path / "big.csv").open("w") as file:
        file.write("a,b,c\n")
        for _ in range(60):
            file.write("123456,some words here,1.25\n" * 50_000)
    async with serving(database_url, redis_url, files_dir=tmp_path) as server:
        (job_id,) = await server.submit([job(path="big.csv")])

        async def halfway() -> bool:
            found = await server.job(job_id)
            assert found["status"] in ("PENDING", "RUNNING"), found["error"]
            progress = found["progress"]
            return bool(progress and 0 < progress["fraction"] < 1 and progress["text"] == "reading")

        await eventually(halfway)
        done = await server.job_when(job_id, "COMPLETED")
        assert done["result"]["rows"] == 3_000_000


def test_a_folder_that_is_none_is_told_at_the_start() -> None:
    with pytest.raises(ConfigError, match=r"^MONOQ_FILES_DIR: .*/none"):
        load_settings(files_dir="/none")
