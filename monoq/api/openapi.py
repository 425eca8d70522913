"""The OpenAPI document: the operations, with a schema for each job type and for each error. It is
made of the shapes by which requests are checked, so it cannot say otherwise."""

import re
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

import jsonschema_rs
from pydantic import TypeAdapter

from monoq.api.catalogue import CALLS, EVERYWHERE, PATH_PARAMETERS, Call
from monoq.api.schemas import JobRequest

SCHEMAS = "#/components/schemas/"
JSON = "application/json"
PROBLEM = "application/problem+json"
DESCRIPTION = (
    "A real-time multi-tenant job queue. Changes of jobs are streamed on the WebSocket /ws,"
    " which OpenAPI has no words for."
)

Schema = dict[str, Any]


def document(types: Mapping[str, Schema], version: str) -> dict[str, Any]:
    """The document for an API that knows these job types, each with the schema of its payload."""
    components = dict(_shapes())
    names = {name: _component_name("Payload", name) for name in types}
    for name, schema in types.items():
        components[names[name]] = _rooted(schema, names[name]) | {"title": name}
    components["JobToCreate"] = _job_to_create(types, names)
    components["BatchRequest"] = components["BatchRequest"] | {
        "properties": {
            "jobs": components["BatchRequest"]["properties"]["jobs"]
            | {"items": {"$ref": f"{SCHEMAS}JobToCreate"}}
        }
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "monoq", "version": version, "description": DESCRIPTION},
        "paths": _paths(),
        "components": {"schemas": components},
    }


@cache
def _paths() -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for call in CALLS:
        paths.setdefault(call.path, {})[call.method] = _operation(call)
    return paths


def _operation(call: Call) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for status, shape in call.answers.items():
        kind = "text/plain" if shape is None else JSON
        schema = {"type": "string"} if shape is None else _reference(shape)
        answers[str(status)] = _answer(status, kind, schema)
    for status in (*call.errors, *EVERYWHERE):
        if str(status) not in answers:
            schema = {"$ref": f"{SCHEMAS}{_problem_name(status)}"}
            answers[str(status)] = _answer(status, PROBLEM, schema)
    if 201 in call.answers and call.path == "/jobs":
        answers["201"]["headers"] = {"Location": {"schema": {"type": "string"}}}
    for status in (429, 503):
        if answers.get(str(status), {}).get("content", {}).get(PROBLEM):
            answers[str(status)]["headers"] = {
                "Retry-After": {"schema": {"type": "string"}, "description": "seconds"}
            }
    path = re.sub(r"[{}]", "", call.path)
    described: dict[str, Any] = {
        "summary": call.summary,
        "operationId": call.method + "".join(map(str.title, re.findall(r"\w+", path))),
        "parameters": _parameters(call),
        "responses": answers,
    }
    if call.body is not None:
        body = (
            {"$ref": f"{SCHEMAS}JobToCreate"} if call.body is JobRequest else _reference(call.body)
        )
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": body}}}
    return described


def _answer(status: int, kind: str, schema: Schema) -> dict[str, Any]:
    return {"description": HTTPStatus(status).phrase, "content": {kind: {"schema": schema}}}


def _parameters(call: Call) -> list[dict[str, Any]]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": PATH_PARAMETERS[name]}
        for name in re.findall(r"{(\w+)}", call.path)
    ]
    parameters += [
        {"name": name, "in": "header", "schema": schema} for name, schema in call.headers.items()
    ]
    if call.query is not None:
        shape = call.query.model_json_schema(ref_template=f"{SCHEMAS}{{model}}")
        parameters += [
            {
                "name": name,
                "in": "query",
                "required": name in shape.get("required", ()),
                "schema": _not_null(schema),
            }
            for name, schema in shape["properties"].items()
        ]
    return parameters


def _not_null(schema: Schema) -> Schema:
    """A query parameter that is not given is absent: null has no form there."""
    if "anyOf" in schema:
        (kept,) = [one for one in schema["anyOf"] if one != {"type": "null"}]
        return dict(kept)
    return {name: value for name, value in schema.items() if name != "title"}


@cache
def _shapes() -> Mapping[str, Schema]:
    """The schemas of requests, answers and problems, by name."""
    shapes = [shape for one in CALLS for shape in one.answers.values() if shape is not None]
    shapes += [one.body for one in CALLS if one.body is not None]
    queries = [one.query for one in CALLS if one.query is not None]
    shapes += queries  # for what they refer to
    adapters = [(shape.__name__, "validation", TypeAdapter(shape)) for shape in _unique(shapes)]
    schemas, shared = TypeAdapter.json_schemas(
        adapters,  # type: ignore[arg-type] # the mode is one of its words
        ref_template=f"{SCHEMAS}{{model}}",
    )
    components: dict[str, Schema] = dict(shared.get("$defs", {}))
    for (name, _), schema in schemas.items():
        if schema != {"$ref": f"{SCHEMAS}{name}"}:
            components[str(name)] = schema
    for query in queries:
        components.pop(query.__name__, None)
    statuses = {status for one in CALLS for status in (*one.errors, *EVERYWHERE)}
    for status in sorted(statuses):
        components[_problem_name(status)] = _problem(status)
    return components


def _unique(shapes: list[Any]) -> list[Any]:
    named = [shape for shape in shapes if hasattr(shape, "__name__") and shape is not dict]
    return list({id(shape): shape for shape in named if shape.__name__ != "dict"}.values())


def _reference(shape: Any) -> Schema:
    if shape.__name__ == "dict":
        return {"type": "object"}
    return {"$ref": f"{SCHEMAS}{shape.__name__}"}


def _problem_name(status: int) -> str:
    return "Problem" + re.sub(r"\W", "", HTTPStatus(status).phrase.title())


def _problem(status: int) -> Schema:
    """RFC 9457; where fields can be wrong, they are named."""
    fields = {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            "required": ["field", "message"],
        },
    }
    return {
        "type": "object",
        "title": HTTPStatus(status).phrase,
        "properties": {
            "type": {"const": "about:blank"},
            "title": {"const": HTTPStatus(status).phrase},
            "status": {"const": status},
            "detail": {"type": "string"},
            "errors": fields,
        },
        "required": ["type", "title", "status", "detail", *(["errors"] if status == 422 else [])],
    }


def _job_to_create(types: Mapping[str, Schema], names: Mapping[str, str]) -> Schema:
    """A job of any of the types, each with a payload of its own."""
    jobs = []
    for name, schema in types.items():
        needed = [] if _allows_nothing(schema) else ["payload"]
        jobs.append(
            {
                "title": name,
                "properties": {
                    "type": {"const": name},
                    "payload": {"$ref": f"{SCHEMAS}{names[name]}"},
                },
                "required": ["type", *needed],
            }
        )
    return {"allOf": [{"$ref": f"{SCHEMAS}JobRequest"}], "oneOf": jobs}


def _allows_nothing(schema: Schema) -> bool:
    """Whether the payload may be left out: it is `{}` then."""
    try:
        return bool(jsonschema_rs.validator_for(schema, offline=True).is_valid({}))
    except Exception:  # noqa: BLE001 - a schema of a user's own making may be anything
        return True


def _component_name(prefix: str, name: str) -> str:
    """A name that OpenAPI allows, and that no other type has."""
    return f"{prefix}." + re.sub(r"[^A-Za-z0-9.-]", lambda found: f"_{ord(found[0]):02x}_", name)


def _rooted(schema: Schema, component: str) -> Schema:
    """A schema whose references to parts of itself hold inside the document."""
    here = f"{SCHEMAS}{component}"

    def rooted(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):  # in a discriminator's mapping each value is a reference
            inside = {name: key if key == "mapping" else name for name in value}
            return {name: rooted(item, inside[name]) for name, item in value.items()}
        if isinstance(value, list):
            return [rooted(item) for item in value]
        if key in ("$ref", "mapping") and isinstance(value, str) and value.startswith("#"):
            return here + value[1:]
        return value

    rooted_schema: Schema = rooted(schema)
    return rooted_schema
