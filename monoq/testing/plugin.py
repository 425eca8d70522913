"""The pytest plugin: fixtures with real engines. Every pytest of an environment loads it, so it
must import nothing before a test uses a fixture."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from monoq.testing.engines import Engines


@pytest.fixture(scope="session")
def monoq_engine_pair() -> "Iterator[Engines]":
    """The embedded PostgreSQL and Redis of this test run, with an empty, migrated database."""
    from monoq.testing.engines import engine_pair

    with engine_pair() as pair:
        yield pair


@pytest.fixture
def monoq_engines(monoq_engine_pair: "Engines") -> "Iterator[Engines]":
    """A PostgreSQL database of this test's own, with the schema and no job, and an empty Redis:
    `database_url` and `redis_url`."""
    from monoq.testing.engines import fresh_engines

    with fresh_engines(monoq_engine_pair) as engines:
        yield engines
