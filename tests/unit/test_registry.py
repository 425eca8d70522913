"""How handlers are declared and found."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from monoq import App, Backoff, JobContext, Retry, Schedule
from monoq.app.loading import load_app
from monoq.compose.root import handlers_of
from monoq.config import load_settings
from monoq.errors import ConfigError


class Email(BaseModel):
    to: str


def test_a_handler_is_declared_bare_or_with_a_policy_and_stays_callable() -> None:
    app = App()

    @app.handler
    def bare(payload: dict) -> str:  # type: ignore[type-arg]
        return "called"

    @app.handler("send_email", max_attempts=5, timeout=30, backoff=Backoff(base=2))
    async def send(payload: Email, ctx: JobContext) -> None: ...

    assert bare({}) == "called"
    handler = app.handlers["send_email"]
    assert (handler.max_attempts, handler.timeout_s, handler.is_async, handler.takes_context) == (
        5,
        30,
        True,
        True,
    )
    assert handler.parse('{"to": "a@b.c"}') == Email(to="a@b.c")
    assert handler.schema()["required"] == ["to"]
    with pytest.raises(ValidationError):
        handler.parse("{}")


def test_what_cannot_be_a_handler_is_refused() -> None:
    app = App()
    app.handler("twice")(lambda: None)
    with pytest.raises(ConfigError, match="has two handlers"):
        app.handler("twice")(lambda: None)
    with pytest.raises(ConfigError, match="must take"):
        app.handler("many")(lambda a, b: None)
    with pytest.raises(ConfigError, match="not a valid job type"):
        app.handler("a b")(lambda: None)
    with pytest.raises(ConfigError, match="max_attempts"):
        app.handler("never", max_attempts=0)(lambda: None)


def test_an_app_may_have_a_type_of_its_own_by_the_name_of_one_that_ships(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_email.py").write_text(
        "import monoq\napp = monoq.App()\n@app.handler(max_attempts=7)\ndef email() -> None: ...\n"
    )
    monkeypatch.chdir(tmp_path)
    handlers = handlers_of(load_settings(app="own_email:app")).handlers
    assert handlers["email"].max_attempts == 7
    assert {"echo", "webhook"} <= handlers.keys()


def test_an_app_is_loaded_by_its_path_and_an_error_in_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop_jobs.py").write_text("import monoq\napp = monoq.App()\n")
    (tmp_path / "broken_jobs.py").write_text("1 / 0\n")
    (tmp_path / "bad_syntax.py").write_text("a = 1\ndef (:\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert isinstance(load_app("shop_jobs:app"), App)
    for path, said in [
        ("broken_jobs:app", r"ZeroDivisionError.*broken_jobs\.py, line 1\)"),
        ("bad_syntax:app", r"bad_syntax\.py, line 2\)"),
        ("shop_jobs:nothing", "nothing"),
        ("shop_jobs", "expected"),
    ]:
        with pytest.raises(ConfigError, match=said):
            load_app(path)


def test_backoff_grows_and_stays_within_its_bounds() -> None:
    plain = Backoff(base=1, max=10, jitter=False)
    assert [plain.delay(n) for n in range(1, 7)] == [1, 2, 4, 8, 10, 10]
    assert all(5 <= Backoff(base=1, max=10).delay(1000) <= 10 for _ in range(100))
    with pytest.raises(ValueError, match="base"):
        Backoff(base=5, max=1)


@pytest.mark.parametrize(
    "options", [{"timeout": "30"}, {"max_attempts": "3"}, {"max_attempts": 2.5}, {"timeout": True}]
)
def test_an_option_that_is_no_number_is_named(options: dict[str, Any]) -> None:
    (option,) = options
    with pytest.raises(ConfigError, match=f"'work': {option} must be a number"):
        App().handler("work", **options)(lambda: None)


def test_a_retry_takes_its_delay_as_a_snooze_does() -> None:
    assert Retry(60).delay == 60
    assert str(Retry(60)) == "retry after 60 s"
    assert (str(Retry("busy", delay=5)), Retry("busy", delay=5).delay) == ("busy", 5)
    assert Retry().delay is None


def test_a_schedule_has_a_delay_for_each_attempt_and_ends_with_its_last() -> None:
    plain = Schedule(delays=(5, 300, 1800), jitter=False)
    assert [plain.delay(attempt) for attempt in (1, 2, 3, 4, 1000)] == [5, 300, 1800, 1800, 1800]
    assert all(300 <= Schedule(delays=(5, 300)).delay(2) <= 330 for _ in range(100))
    for wrong in ((), (5, -1)):
        with pytest.raises(ValueError, match="a schedule needs delays"):
            Schedule(delays=wrong)
