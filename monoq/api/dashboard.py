"""The files of the dashboard and of the page that shows the API. It must render nothing: the pages
are static."""

from pathlib import Path

from quart import Blueprint, Response, send_from_directory


def dashboard_blueprint(*, static: Path) -> Blueprint:
    """The routes, over the folder of files."""
    dashboard = Blueprint("dashboard", __name__)

    @dashboard.get("/")
    async def index() -> Response:
        return await _file("index.html")

    @dashboard.get("/docs")
    async def reference() -> Response:
        return await _file("reference.html")

    @dashboard.get("/static/<path:name>")
    async def file(name: str) -> Response:
        return await _file(name)

    async def _file(name: str) -> Response:
        response = await send_from_directory(static, name)
        # the browser caches it and revalidates: a new version shows at once
        response.headers["Cache-Control"] = "no-cache"
        return response

    return dashboard
