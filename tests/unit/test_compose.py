"""The rules that docker-compose.yml, the Dockerfile and .env.example must keep."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from monoq.compose.root import HARD_STOP_S
from monoq.config import Settings, env_names, load_settings

ROOT = Path(__file__).parent.parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("api", "worker", "migrate")
KNOWN = {name for field in Settings.model_fields for name in env_names(field)}


def seconds(duration: str) -> float:
    assert re.fullmatch(r"[0-9.]+s", duration), duration
    return float(duration[:-1])


def default(text: str) -> str:
    """A value as compose reads it when the environment is empty."""
    while (resolved := re.sub(r"\$\{\w+:-([^${}]*)\}", r"\1", text)) != text:
        text = resolved
    return text


def test_only_nginx_can_be_reached_from_outside_and_by_default_from_this_machine_only() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["nginx"]
    (published,) = SERVICES["nginx"]["ports"]
    assert default(published) == "127.0.0.1:8080:8080"
    assert not any(
        "network_mode" in service or "privileged" in service for service in SERVICES.values()
    )


def test_any_service_can_be_scaled() -> None:
    assert not any(
        "container_name" in service or "hostname" in service for service in SERVICES.values()
    )


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_no_more_than_it_must(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["init"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.match("unless-stopped|on-failure", service["restart"])
    limits = service["deploy"]["resources"]["limits"]
    assert {"memory", "pids"} <= set(limits)
    assert float(limits.get("cpus", 1)) <= 1  # more would refuse to start on a small machine
    assert name in OURS or service["user"].split(":")[0] not in ("0", "root")


@pytest.mark.parametrize("name", OURS)
def test_a_stop_is_given_more_time_than_it_takes(name: str) -> None:
    environment = SERVICES[name].get("environment", {})
    settings = load_settings(
        shutdown_timeout=float(environment["MONOQ_SHUTDOWN_TIMEOUT"]),
        drain=float(environment.get("MONOQ_DRAIN", 0)),
    )
    assert (
        seconds(SERVICES[name]["stop_grace_period"]) > settings.shutdown_timeout + HARD_STOP_S + 1
    )


def test_a_stopping_api_drains_for_longer_than_nginx_keeps_an_idle_connection() -> None:
    (kept,) = re.findall(
        r"keepalive_timeout (\w+);",
        (ROOT / "docker/nginx/nginx.conf").read_text().partition("upstream api")[2],
    )
    assert float(SERVICES["api"]["environment"]["MONOQ_DRAIN"]) > seconds(kept)


def test_the_order_of_a_first_start_is_stated() -> None:
    order = {
        (name, needed): how["condition"]
        for name, service in SERVICES.items()
        for needed, how in service.get("depends_on", {}).items()
    }
    assert order["migrate", "postgres"] == "service_healthy"
    assert "depends_on" not in SERVICES["nginx"], "a new image of the APIs would recreate it"
    for role in ("api", "worker"):
        assert order[role, "migrate"] == "service_completed_successfully"
        assert order[role, "redis"] == "service_healthy"
    for name in {
        needed for (_, needed), condition in order.items() if condition == "service_healthy"
    }:
        assert SERVICES[name]["healthcheck"]["test"]


def test_every_image_is_pinned() -> None:
    dockerfile = (ROOT / "docker/Dockerfile").read_text()
    assert "syntax=" not in dockerfile
    images = [service["image"] for service in SERVICES.values()] + re.findall(
        r"^FROM (\S+)", dockerfile, re.M
    )
    for image in set(images) - {"monoq:local"}:
        assert re.fullmatch(r"[\w./-]+:\d+(\.\d+)+[\w.-]*|postgres:17-\w+", image), image
    nginx = tuple(map(int, re.findall(r"\d+", SERVICES["nginx"]["image"])))
    assert nginx >= (1, 27, 3)  # `resolve` in servers.conf
    assert {service["image"] for name, service in SERVICES.items() if name in OURS} == {
        "monoq:local"
    }
    assert [name for name, service in SERVICES.items() if "build" in service] == ["migrate"]


def test_the_image_has_no_engines_and_does_not_run_as_root() -> None:
    dockerfile = (ROOT / "docker/Dockerfile").read_text()
    assert "embedded" not in re.sub(r"^#.*$", "", dockerfile, flags=re.M)
    last = dockerfile.rpartition("FROM ")[2]
    assert re.search(r"^USER 10001", last, re.M)
    assert 'CMD ["monoq", "health"]' in last


def test_pip_in_an_image_made_from_ours_installs_beside_monoq(tmp_path: Path) -> None:
    """The line of the Dockerfile, with this machine's paths."""
    dockerfile = (ROOT / "docker/Dockerfile").read_text()
    (line,) = re.findall(r"^RUN (printf .*/venv/bin/pip)$", dockerfile, re.M)
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    pip = Path(sys.executable).with_name("pip")
    line = line.replace("/usr/local/bin/pip", str(pip)).replace("/venv/", f"{venv}/")
    subprocess.run(["/bin/sh", "-c", line], check=True)
    told = subprocess.run([venv / "bin/pip", "--version"], check=True, capture_output=True)
    assert b"pip" in told.stdout
    listed = subprocess.run(
        [venv / "bin/pip", "inspect"], check=True, capture_output=True, text=True
    )
    assert json.loads(listed.stdout)["environment"]["implementation_name"] == "cpython"
    assert json.loads(listed.stdout)["installed"] == [], "not those of another Python"
    last = dockerfile.rpartition("FROM ")[2]
    assert "--chown=10001:10001 /venv /venv" in last
    assert last.index("PATH=/venv/bin") < last.index("USER")


def test_every_variable_is_a_real_setting_and_every_one_in_compose_is_in_the_example() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    example = (ROOT / ".env.example").read_text()
    dockerfile = (ROOT / "docker/Dockerfile").read_text()
    for text in (compose, example, dockerfile):
        assert set(re.findall(r"\bMONOQ_\w+", text)) <= KNOWN
    for variable in set(re.findall(r"\$\{(\w+)", compose)) - {"MONOQ_TRUSTED_PROXIES"}:
        assert re.search(rf"^(# )?{variable}=", example, re.M), variable
    for variable in re.findall(r"^(?:# )?(\w+)=", example, re.M):
        assert f"${{{variable}" in compose, f"{variable} changes nothing"


@pytest.mark.parametrize("name", OURS)
def test_the_defaults_are_settings_that_start(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in SERVICES[name]["environment"].items():
        monkeypatch.setenv(variable, default(value))
    settings = load_settings()
    assert settings.database_url == "postgresql://monoq:monoq@postgres:5432/monoq"
    assert settings.redis_url == "redis://redis:6379/0"
    assert (name == "migrate") or settings.role == name


def test_defaults_in_the_example_are_those_of_compose() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    for variable, value in re.findall(r"^(\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.M):
        assert set(re.findall(rf"\$\{{{variable}:-([^${{}}]*)\}}", compose)) == {value}, variable


def test_redis_keeps_nothing_and_postgres_keeps_everything_in_its_volume() -> None:
    command = SERVICES["redis"]["command"]
    assert command[command.index("--save") + 1] == ""
    assert command[command.index("--appendonly") + 1] == "no"
    assert "volumes" not in SERVICES["redis"]
    assert SERVICES["postgres"]["volumes"] == ["postgres:/var/lib/postgresql/data"]
    assert "postgres" in COMPOSE["volumes"]
