"""The documents are complete, their links lead somewhere, and their examples are valid."""

import ast
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from monoq.api.operations import read_operation
from monoq.api.policy_schemas import read_policy
from monoq.cli.main import main
from monoq.config import Settings, env_names
from monoq.observe.metrics import Metrics
from monoq.policy import Scope
from monoq.store.operations import Kind

ROOT = Path(__file__).parent.parent.parent


def test_every_setting_is_documented_with_its_default() -> None:
    rows = dict(
        re.findall(
            r"^\| `(MONOQ_\w+)`[^|]*\|([^|]*)\|", (ROOT / "docs/configuration.md").read_text(), re.M
        )
    )
    for name, field in Settings.model_fields.items():
        variable = env_names(name)[0]
        assert variable in rows, f"{variable} is not in docs/configuration.md"
        default = "" if field.default in (None, ()) else str(field.default)
        assert rows[variable].strip("` ") == default, variable
    assert len(rows) == len(Settings.model_fields)


def test_every_metric_is_documented_with_its_type_and_labels() -> None:
    told = {}
    for names, kind in re.findall(
        r"^\| (`monoq_[^|]*)\| (\w+) \|", (ROOT / "docs/operations.md").read_text(), re.M
    ):
        for name, labels in re.findall(r"`(monoq_\w+)(?:\{([\w, ]+)\})?`", names):
            told[name] = (kind, ", ".join(sorted(filter(None, labels.split(", ")))))
    metrics = Metrics(types=["echo"], version="1")
    metrics.run.observe([1.0], "echo")
    metrics.socket_closed(1000)
    metrics.upkeep_failed("stager")
    made = {}
    for family in metrics.registry.collect():
        if family.name.startswith("monoq_"):
            suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            made[family.name + suffix] = (
                "gauge" if family.type == "info" else family.type,
                ", ".join(sorted(labels)),
            )
    assert told == made


def test_the_code_map_names_every_module_and_no_other() -> None:
    told = set()
    for where in re.findall(r"^\| (`[^|]*`) \|", (ROOT / "ARCHITECTURE.md").read_text(), re.M):
        folder = re.match(r"`(\w+/)`: ", where)
        told |= {
            (folder[1] if folder else "") + name for name in re.findall(r"`([\w/]+\.py)`", where)
        }
    modules = (
        path.relative_to(ROOT / "monoq").as_posix() for path in (ROOT / "monoq").rglob("*.py")
    )
    assert told == {module for module in modules if not module.endswith("__init__.py")}


def test_every_module_says_what_it_is_for() -> None:
    for module in (ROOT / "monoq").rglob("*.py"):
        assert module.read_text().startswith('"""'), module


def test_every_statement_has_a_file_and_every_file_a_user() -> None:
    code = "".join(path.read_text() for path in (ROOT / "monoq").rglob("*.py"))
    used = set(re.findall(r'query\("(\w+)"\)', code))
    assert used == {path.stem for path in (ROOT / "monoq/store/queries").glob("*.sql")}
    used = set(re.findall(r'_fetchrow\(\s*"(\w+)"', code))
    assert used == {path.stem for path in (ROOT / "monoq/handlers/queries").glob("*.sql")}


# the rows of tests/faults/README.md
FAULTS = {"A": 16, "B": 8, "C": 12, "D": 7, "E": 4, "F": 5, "G": 3}


def test_every_fault_has_a_test_or_a_reason() -> None:
    rows = dict(
        re.findall(
            r"^\| ([A-G]\d+) \|[^|]*\|([^|]*)\|$",
            (ROOT / "tests/faults/README.md").read_text(),
            re.M,
        )
    )
    assert list(rows) == [
        f"{letter}{number}" for letter, count in FAULTS.items() for number in range(1, count + 1)
    ]
    tests = {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for fault, told in rows.items():
        named = re.findall(r"`(\w+)`", told)
        assert set(named) <= tests, (fault, set(named) - tests)
        assert named or re.fullmatch(r" missing: .{20,} ", told), fault


DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests").glob("*/*.md")]


def blocks(language: str) -> list[tuple[str, str]]:
    """The fenced blocks of a language in all documents: (document, text)."""
    return [
        (path.name, text)
        for path in DOCUMENTS
        for tag, text in re.findall(r"^```(\w*)\n(.*?)^```$", path.read_text(), re.M | re.S)
        if tag == language
    ]


def test_the_readme_has_at_most_150_lines() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_every_relative_link_leads_to_a_file() -> None:
    links = [
        (path, link)
        for path in DOCUMENTS
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text())
        if "://" not in link
    ]
    assert links
    assert [(path.name, link) for path, link in links if not (path.parent / link).exists()] == []


def test_every_python_block_compiles() -> None:
    examples = blocks("python")
    assert examples
    for name, text in examples:
        compile(text, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_every_monoq_command_is_accepted_by_the_command_line() -> None:
    lines = [
        (name, line)
        for name, text in blocks("")
        for line in text.splitlines()
        if line.startswith(".venv/bin/monoq ")
    ]
    assert lines
    for name, line in lines:
        args = shlex.split(line, comments=True)[1:]
        command: click.Command = main
        while isinstance(command, click.Group):
            found = command.get_command(click.Context(command), args[0])
            assert found is not None, (name, line)
            command, args = found, args[1:]
        try:
            command.make_context(command.name, args)
        except click.ClickException as error:
            pytest.fail(f"{name}: {line}: {error.format_message()}")


def test_every_request_body_in_a_curl_example_is_a_job_an_operation_or_a_policy() -> None:
    bodies = [
        (" -X PUT " in text, json.loads(body))
        for _, text in blocks("")
        if "curl" in text
        for body in re.findall(r"-d '([^']*)'", text)
    ]
    assert bodies
    for is_policy, body in bodies:
        if is_policy:
            assert read_policy(body, Scope.TENANT)
        elif "filter" in body:
            assert read_operation(body, Kind.RETRY)
        else:
            assert {"tenantId", "type"} <= body.keys()


# the entry point is that of an installed monoq, which need not be this one
PLUGINS = ("-p", "no:cacheprovider", "-p", "monoq.testing.plugin")


def test_the_test_of_the_tutorial_passes(tmp_path: Path) -> None:
    jobs, test = (text for name, text in blocks("python") if name == "tutorial.md")
    (tmp_path / "jobs.py").write_text(jobs)
    (tmp_path / "test_jobs.py").write_text(test)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *PLUGINS, "test_jobs.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout
