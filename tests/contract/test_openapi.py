"""GET /openapi.json says what the API does: it names each route and each job type, and what it says
of requests and answers holds when thousands are made up from it."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from conftest import Server, serving

from monoq.api.catalogue import CALLS
from monoq.api.openapi import document
from monoq.compose import root as composition
from monoq.config import load_settings
from monoq.process.service import Service

HERE = Path(__file__).parent
NO_JSON = {"/", "/docs", "/static/{name}"}  # the pages


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from references(item)


async def test_the_document_names_every_route_and_no_other(
    database_url: str, redis_url: str
) -> None:
    settings = load_settings(database_url=database_url, redis_url=redis_url, role="api")
    seen: list[Any] = []

    def serve_http(guard: Any, _: Any) -> Service:
        seen.append(guard._app._behind)
        return Service()

    async with composition.build(settings, database_url, redis_url, serve_http):
        routes = seen[0].url_map.iter_rules()
        there = {
            (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
            for rule in routes
            for method in rule.methods - {"HEAD", "OPTIONS"}
        }
    names = {"tenantId": "name", "type": "name", "jobId": "job_id", "operationId": "operation_id"}
    names["workerId"] = "worker_id"
    told = {
        (one.method, re.sub(r"{(\w+)}", lambda found: f"{{{names[found[1]]}}}", one.path))
        for one in CALLS
    }
    assert {(method, path) for method, path in there if path not in NO_JSON} == told


async def test_each_job_type_has_a_schema_that_tells_good_payloads_from_bad(
    server: Server,
) -> None:
    told = (await server.http.get("/openapi.json")).json()
    assert told["openapi"] == "3.1.0"
    schemas = told["components"]["schemas"]
    for reference in references(told):
        place: Any = told
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
    job = jsonschema_rs.validator_for(told | {"$ref": "#/components/schemas/JobToCreate"})
    cases: list[tuple[dict[str, Any], bool]] = [
        ({"type": "sleep", "payload": {"delayMs": 5}}, True),
        ({"type": "sleep", "payload": {"delayMs": -5}}, False),
        ({"type": "sleep"}, False),
        ({"type": "echo"}, True),
        ({"type": "misspelt"}, False),
        ({"type": "echo", "delayMs": 5, "runAt": "2030-01-01T00:00:00Z"}, False),
        ({"type": "echo", "unheard": "of"}, False),
    ]
    for asked, valid in cases:
        asked["tenantId"] = "acme"
        assert job.is_valid(asked) is valid, asked
        status = (await server.http.post("/jobs", json=asked)).status_code
        assert status == (201 if valid else 422), asked
    assert schemas["Payload.act"]["required"] == ["do"]
    assert schemas["ProblemUnprocessableEntity"]["required"][-1] == "errors"


def test_a_type_with_odd_characters_and_a_recursive_payload_has_its_place() -> None:
    node: dict[str, Any] = {
        "$defs": {"Node": {"properties": {"next": {"$ref": "#/$defs/Node"}}, "required": ["x"]}},
        "$ref": "#/$defs/Node",
    }
    told = document({"a/b:c": node}, "1")
    schema = told["components"]["schemas"]["Payload.a_2f_b_3a_c"]
    here = "#/components/schemas/Payload.a_2f_b_3a_c/$defs/Node"
    assert schema["$ref"] == schema["$defs"]["Node"]["properties"]["next"]["$ref"] == here
    assert told["components"]["schemas"]["JobToCreate"]["oneOf"][0]["required"] == [
        "type",
        "payload",
    ]


@pytest.mark.long
async def test_requests_that_are_made_up_from_the_document_are_answered_as_it_says(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """No worker: some of these jobs would block it for a thousand years."""
    async with serving(database_url, redis_url, role="api") as server:
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("schemathesis")),
            *("--config-file", str(HERE / "schemathesis.toml")),
            *("run", f"{server.url}/openapi.json", "--phases", "coverage,fuzzing"),
            *("--max-examples", "2", "--seed", "1", "--suppress-health-check", "all"),
            "--no-color",
            cwd=tmp_path,  # it keeps what it finds there, and tries it first the next time
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        told, _ = await process.communicate()
    assert process.returncode == 0, told.decode()
    asked = len(CALLS) - 1  # it leaves out the document itself
    assert f"{asked} selected / {asked} total".encode() in told
