"""What the documents promise exists: every command, option, file and link they name."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from asr.cli import app

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "RESULTS.md", *ROOT.glob("docs/*.md"), *ROOT.glob("recipes/*/README.md")])


def commands(page):
    """Every `asr ...` in code blocks and back-ticks."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^    (asr .*)$", text, re.MULTILINE)
    spans = [span for span in re.findall(r"`([^`]+)`", text) if span.startswith("asr ")]
    return [re.sub(r"\s+#.*| \|.*| \\$", "", command) for command in blocks + spans]


def find(words):
    """The command that `words` begin with."""
    command = get_command(app)
    for word in words:
        group = getattr(command, "commands", None)
        if group is None:
            break
        command = group[word] if word in group else pytest.fail(f"no verb {word!r} in {words}")
    return command


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.name != "experiments.md"],  # history: its commands were those of their day
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_commands_and_options_exist(page):
    for text in commands(page):
        cleaned = re.sub(r"[\[\]{}()]", " ", text.replace("...", " "))
        words = [word for word in shlex.split(cleaned) if not word.startswith("VERB")][1:]
        if not words or words[0] in ("--help",) or "|" in words[0]:
            continue
        command = find([word for word in words if not word.startswith("-")][:2])
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        for word in words:
            if re.match(r"--[a-z]", word):
                assert word.split("=")[0].replace("_", "-") in known | {"--help"}, f"{word} in {text!r}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_verb_is_in_the_readme():
    text = (ROOT / "README.md").read_text()
    for name in typer.main.get_command(app).commands:  # type: ignore[attr-defined]
        assert re.search(rf"\b{name}\b", text), name


def test_no_figure_is_left_blank():
    for page in PAGES:
        assert not re.search(r"@[A-Z0-9]+@", page.read_text(encoding="utf-8")), page
