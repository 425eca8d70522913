"""The route that tells the job types, and that of the OpenAPI document."""

from quart import Blueprint

from monoq.api.known_types import KnownTypes


def types_blueprint(*, types: KnownTypes) -> Blueprint:
    """The routes, over what they need. They answer from memory."""
    blueprint = Blueprint("types", __name__)

    @blueprint.get("/types")
    async def list_types() -> dict[str, object]:
        return {
            "types": [
                {"name": name, "schema": schema, "workers": workers}
                for name, schema, workers in types
            ]
        }

    return blueprint
