"""The benchmark, in small: that it still runs, and counts what it says it counts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from monoq.bench.fairness import SCENES


def test_the_benchmark_runs_and_keeps_its_result(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    saved = tmp_path / "result.json"
    command = [
        sys.executable,
        "-m",
        "monoq",
        "bench",
        "submit",
        "drain",
        "latency",
        "--jobs",
        "100",
        "--rounds",
        "1",
        "--json",
        str(saved),
    ]
    first = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert first.returncode == 0, first.stderr
    result = json.loads(saved.read_text())
    assert {
        "submit, 1 caller /s",
        "submit 1,000 a call, 4 callers /s",
        "monoq.submit, 1,000 a call /s",
        "drain /s",
        "pickup p50 ms",
    } <= set(result["figures"])
    medians = {name: figure["median"] for name, figure in result["figures"].items()}
    # CPU comes in hundredths of a second, and 200 jobs may use less.
    assert all(median >= 0 if "CPU" in name else median > 0 for name, median in medians.items()), (
        medians
    )
    assert "postgres" in result["conditions"]
    # as it is when those hundredths fall so
    result["figures"]["drain, CPU of Redis, µs/job"]["median"] = 0.0
    saved.write_text(json.dumps(result))
    on_these = ["--database-url", database_url, "--redis-url", redis_url]
    again = subprocess.run(
        [
            sys.executable,
            "-m",
            "monoq",
            "bench",
            "drain",
            "--jobs",
            "500",
            "--rounds",
            "1",
            "--compare",
            str(saved),
            *on_these,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert again.returncode == 0, again.stderr
    assert "ratio" in again.stdout
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0, "nothing is left in somebody's Redis"


@pytest.mark.soak
def test_fairness_is_measured_in_every_scene(tmp_path: Path) -> None:
    saved = tmp_path / "result.json"
    command = ["bench", "fairness", "--jobs", "300", "--minutes", "0.05", "--json", str(saved)]
    ran = subprocess.run(
        [sys.executable, "-m", "monoq", *command],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=140,
    )
    assert ran.returncode == 0, ran.stderr
    figures = json.loads(saved.read_text())["figures"]
    for scene in SCENES:
        waits = [name for name in figures if name.startswith(f"fair: {scene.name}, ")]
        assert len(waits) == 6, waits
    assert 0.1 <= figures["shares: equal weights, Jain's index"]["median"] <= 1
    assert figures["shares: weights 1:2:4, slots used, %"]["median"] <= 101


@pytest.mark.soak
def test_webhooks_are_measured_with_and_without_a_dead_endpoint(tmp_path: Path) -> None:
    saved = tmp_path / "result.json"
    command = [sys.executable, "-m", "monoq", "bench", "webhooks", "--jobs", "200"]
    command += ["--rounds", "1", "--json", str(saved)]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert ran.returncode == 0, ran.stderr
    assert {
        "webhooks, 1 of 10,000 dead, p99 ms",
        "webhooks, dead endpoint left alone after s",
    } <= set(json.loads(saved.read_text())["figures"])
