"""The Quart application, without guard and server."""

from collections.abc import Iterable

from quart import Blueprint, Quart

from monoq.api import problems
from monoq.api.intake import BODY_TIMEOUT_S

MAX_BODY_BYTES = 64 * 1024  # behind the intake no route reads a body


def create_quart(blueprints: Iterable[Blueprint]) -> Quart:
    """An application with these routes, whose errors are problem+json."""
    app = Quart("monoq", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.config["BODY_TIMEOUT"] = BODY_TIMEOUT_S
    problems.install(app)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    return app
