"""A browser reads what Python wrote, and the other way round: each value that is let in means the
same to both."""

import json
from typing import Any

from contract import corpus
from playwright.async_api import Browser

from monoq import codec

TO_AND_FRO = "texts => texts.map(text => JSON.stringify(JSON.parse(text)))"


async def test_a_browser_reads_every_value_of_the_hostile_corpus_as_we_do(browser: Browser) -> None:
    values: list[Any] = [codec.loads(text) for text in corpus.texts()]
    written = [codec.dumps(value) for value in values]
    page = await browser.new_page()
    assert [json.loads(text) for text in await page.evaluate(TO_AND_FRO, written)] == values
    await page.close()
