"""The dashboard's files and the job types it offers. It must render nothing: the page is static."""

from pathlib import Path

from quart import Blueprint, Response, send_from_directory

from monoq.app.registry import App


def dashboard_blueprint(*, static: Path, app: App) -> Blueprint:
    """The routes, over the folder of files."""
    dashboard = Blueprint("dashboard", __name__)

    @dashboard.get("/")
    async def index() -> Response:
        return await _file("index.html")

    @dashboard.get("/static/<path:name>")
    async def file(name: str) -> Response:
        return await _file(name)

    @dashboard.get("/types")
    async def types() -> dict[str, object]:
        return {"types": [{"name": handler.name, "schema": handler.schema()} for handler in app]}

    async def _file(name: str) -> Response:
        response = await send_from_directory(static, name)
        # kept by the browser, but asked for: a new version shows at once
        response.headers["Cache-Control"] = "no-cache"
        return response

    return dashboard
