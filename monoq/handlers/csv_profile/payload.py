"""What a `csv_profile` job says."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

MAX_PATH = 4096


def _relative(path: str | None) -> str | None:
    if path is None:
        return None
    if "\0" in path or path.startswith("/") or ".." in path.split("/"):
        raise ValueError("a path must be relative to the folder of MONOQ_FILES_DIR, without ..")
    return path


class CsvProfile(BaseModel):
    """Which CSV: its text, a URL, or a file under MONOQ_FILES_DIR. What is not said of its form is
    detected from its first row."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"csv": "item,price\nbread,2.50\n"}]}
    )

    csv: str | None = None
    url: str | None = None
    path: Annotated[
        str | None, Field(min_length=1, max_length=MAX_PATH), AfterValidator(_relative)
    ] = None
    delimiter: Literal[",", ";", "\t", "|"] | None = None
    header: bool | None = None
    encoding: Literal["utf-8", "latin-1", "utf-16"] = "utf-8"

    @model_validator(mode="after")
    def _has_one_source(self) -> "CsvProfile":
        if sum(source is not None for source in (self.csv, self.url, self.path)) != 1:
            raise ValueError("give exactly one of csv, url and path")
        if self.csv is not None and self.encoding != "utf-8":
            raise ValueError("encoding applies to a url or a path, not to the text of csv")
        return self
