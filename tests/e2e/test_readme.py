"""What the README tells people to paste."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

import skyhaul
from skyhaul import settings
from skyhaul.cli import app
from skyhaul.keys import KEYS
from skyhaul.simulate.__main__ import main as simulate
from support.served import Skyhaul

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
COMMANDS = [
    shlex.split(line, comments=True)
    for language, text in BLOCKS
    if language == "bash"
    for line in text.splitlines()
    if line.startswith("skyhaul ")
]


FLAGS = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


def parsed(text: str) -> str:
    """Python as it means, however it is laid out."""
    return ast.unparse(compile(text, "README.md", "exec", flags=FLAGS))


def options(command: Any) -> dict[str, Any]:
    return {name: each for each in command.params for name in (*each.opts, *each.secondary_opts)}


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command that a line calls, and the words after its name."""
    found: Any = typer.main.get_command(app)
    while words and words[0] in getattr(found, "commands", {}):
        found, words = found.commands[words[0]], words[1:]
    if found.name == "simulate":
        standing = typer.Typer()
        standing.command()(simulate)
        found = typer.main.get_command(standing)
    return found, words


def test_the_first_two_commands_are_one_line_each_and_stand_on_their_own():
    first, second = (text for language, text in BLOCKS if language == "sh")
    for text in (first, second):
        assert text.count("\n") == 1
        assert text.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert first.rstrip().endswith(".venv/bin/skyhaul demo")
    assert "'.[test]'" in second
    assert ".venv/bin/pytest" in second
    assert (ROOT / ".ci" / "run").is_file()


def test_there_are_commands_to_check():
    assert {words[1] for words in COMMANDS} >= {"auth", "plan", "download", "status", "search", "run", "simulate"}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_the_options_that_are_shown(words):
    command, rest = command_of(words[1:])
    assert not hasattr(command, "commands"), "a command is missing"
    known = options(command)
    given: dict[str, object] = {}
    arguments = 0
    while rest:
        word, *rest = rest
        if not word.startswith("--"):
            arguments += 1
            continue
        assert word in known
        if not known[word].is_flag:
            value, *rest = rest
            given[word.removeprefix("--").replace("-", "_")] = value
    assert arguments == sum(each.param_type_name == "argument" and each.required for each in command.params)
    asked = {name: value for name, value in given.items() if any(key.name == name for key in KEYS.values())}
    asked.pop("aoi", None)  # a file of the reader's own
    settings.load(asked, environ={}, folder=ROOT / "nowhere", user_file=ROOT / "nowhere")


@pytest.mark.parametrize("text", [text for language, text in BLOCKS if language == "python"])
def test_python_is_python_and_its_options_are_ours(text):
    tree = compile(text, "README.md", "exec", flags=FLAGS)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "skyhaul.open"]
    assert calls
    for call in calls:
        given = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg}
        settings.load(given, environ={}, folder=ROOT / "nowhere", user_file=ROOT / "nowhere")


def test_files_that_it_names_are_there():
    text = (ROOT / "README.md").read_text()
    for name in re.findall(r"\]\(([\w./-]+)\)|`((?:tests|configs|benchmarks)/[\w./-]+)`|(configs/[\w.-]+)", text):
        assert (ROOT / "".join(name)).exists(), name


def test_it_says_what_the_exit_codes_are(tmp_path):
    text = (ROOT / "README.md").read_text()
    assert set(re.findall(r"^\| (\d+) \|", text, re.MULTILINE)) == {"0", "1", "2", "3", "4", "5", "6", "130"}


def test_the_module_shows_the_same_example():
    (shown,) = re.findall(r"```python\n(.*?)```", skyhaul.__doc__ or "", re.DOTALL)
    assert parsed(shown) in [parsed(text) for language, text in BLOCKS if language == "python"]


def test_version_and_help_of_every_command(tmp_path):
    run = Skyhaul(tmp_path, {})
    assert run("--version").out == f"skyhaul {skyhaul.__version__}\n"
    for command in ("", "demo", "search", "plan", "download", "run", "status", "providers", "auth check", "simulate"):
        ran = run(*command.split(), "--help")
        assert (ran.code, ran.err) == (0, "")
        assert ran.out.startswith("Usage: skyhaul")
