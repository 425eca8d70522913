"""The routes of the job types and of the OpenAPI document."""

import json

from quart import Blueprint, Response

from monoq.api.known_types import KnownTypes
from monoq.api.openapi import document


def types_blueprint(*, types: KnownTypes, version: str) -> Blueprint:
    """The routes, over what they need. They answer from memory."""
    blueprint = Blueprint("types", __name__)

    @blueprint.get("/types")
    async def list_types() -> dict[str, object]:
        return {"types": list(types)}

    @blueprint.get("/openapi.json")
    async def openapi() -> Response:
        # not by Quart, which sorts names: calls and fields stay in an order that can be read
        told = json.dumps(document({one["name"]: one["schema"] for one in types}, version))
        return Response(told, content_type="application/json")

    return blueprint
