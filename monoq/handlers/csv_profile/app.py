"""The App of the job type `csv_profile`. It is isolated: what a CSV does to its reader ends with
its process."""

import asyncio
from typing import Annotated, Any

from pydantic import AfterValidator

from monoq.app.context import JobContext
from monoq.app.registry import App
from monoq.errors import RefusedUrl
from monoq.handlers.csv_profile.first_row import read_form
from monoq.handlers.csv_profile.payload import CsvProfile
from monoq.handlers.csv_profile.profile import Profile
from monoq.handlers.csv_profile.source import Sources
from monoq.handlers.options import Options
from monoq.outgoing.outgoing import Outgoing

TIMEOUT_S = 1800.0
LOOK_S = 0.2  # at the progress


def csv_app(options: Options, outgoing: Outgoing) -> App:
    """A payload's URL must be one that `outgoing` calls."""
    sources = Sources(outgoing, options.files_dir, options.csv_max_bytes)

    def checked(url: str | None) -> str | None:
        try:
            if url is not None:
                outgoing.check(url)
        except RefusedUrl as error:
            raise ValueError(str(error)) from None
        return url

    class CheckedCsvProfile(CsvProfile):
        __doc__ = CsvProfile.__doc__

        url: Annotated[str | None, AfterValidator(checked)] = None

    app = App()

    @app.handler("csv_profile", timeout=TIMEOUT_S, isolated=True)
    async def csv_profile(payload: CheckedCsvProfile, ctx: JobContext) -> dict[str, Any]:
        async with sources.open(payload, ctx) as descriptor:
            profile = Profile(descriptor, read_form(descriptor, payload))
            making = asyncio.create_task(asyncio.to_thread(profile.make))
            while not making.done():
                ctx.progress(profile.fraction, "reading")
                await asyncio.wait([making], timeout=LOOK_S)
            return await making

    return app
