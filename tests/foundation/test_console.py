"""What is said goes to standard error, or to the program's own logging."""

import subprocess
import sys

import pytest
from conftest import SECONDS

SAID = "from propulate_like.foundation.console import inform, say; say('trouble'); inform('news')"


def said(code):
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=SECONDS)
    return ended.stderr.splitlines()


def test_lines_go_to_standard_error():
    assert said(SAID) == ["trouble", "news"]


def test_an_imported_logging_that_nobody_set_up_changes_nothing():
    assert said(f"import logging; {SAID}") == ["trouble", "news"]


@pytest.mark.parametrize(
    ("level", "lines"),
    [
        ("INFO", ["WARNING:propulate_like:trouble", "INFO:propulate_like:news"]),
        ("WARNING", ["WARNING:propulate_like:trouble"]),
        ("ERROR", []),
    ],
)
def test_logging_that_was_set_up_gets_all_with_its_level(level, lines):
    assert said(f"import logging; logging.basicConfig(level=logging.{level}); {SAID}") == lines
