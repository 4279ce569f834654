"""Version, -h, completion, a start for editors, and words where there is nothing."""

import json
import os
import shutil
import subprocess
import sys

import pytest

import propulate_like
from propulate_like.foundation import strict_yaml

COMMANDS = ("init", "check", "schema", "run", "status", "results", "export", "simulate", "slurm")
DETECTION = "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"  # without which the shell is that of this process


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Put the command into a folder of PATH, as an installation does, and return the command."""
    path = tmp_path / "bin/propulate-like"
    path.parent.mkdir()
    path.write_text(
        f"#!{sys.executable}\nimport sys\nfrom propulate_like.cli.app import main\nsys.exit(main())\n", encoding="utf-8"
    )
    path.chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(path.parent), os.environ["PATH"]]))
    return path


def run(words, **environment):
    ended = subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=120, env={**os.environ, **environment}
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def search_in(folder, loss="def train(x):\n    return x\n"):
    (folder / "loss.py").write_text(loss, encoding="utf-8")
    (folder / "search.yaml").write_text(
        "objective: loss.py:train\nspace: {x: {float: [0, 1]}}\nbudget: {evaluations: 20}\nseed: 0\nrun: it\n",
        encoding="utf-8",
    )


def test_the_version_is_printed(command):
    assert command("--version").stdout == f"propulate-like {propulate_like.__version__}\n"


def test_h_is_help_of_every_command(command):
    assert "Print the version" in command("-h").stdout
    for name in COMMANDS[:: len(COMMANDS) - 1]:
        assert command(name, "-h").stdout == command(name, "--help").stdout
        assert f"propulate-like {name}" in command(name, "-h").stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_h_is_help_of_each(name, command):
    assert command(name, "-h").stdout == command(name, "--help").stdout


class TestCompletion:
    @pytest.fixture(autouse=True)
    def home(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))

    def test_in_bash_it_offers_commands_options_and_their_values(self, installed):
        script = run([installed, "--show-completion", "bash"], **{DETECTION: "1"})
        for typed, offered in (
            ("propulate-like re", {"results"}),
            ("propulate-like results --fo", {"--format"}),
            ("propulate-like results --format ", {"table", "json", "csv"}),
        ):
            words = [f"'{word}'" for word in typed.split(" ")]
            line = (
                f"{script}\nCOMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}\n"
                "_propulate_like_completion propulate-like; printf '%s\\n' \"${COMPREPLY[@]}\""
            )
            assert set(run(["bash", "--norc", "-c", line]).split()) == offered

    def test_in_bash_it_is_installed_once(self, installed, tmp_path):
        for _ in range(2):
            run([installed, "--install-completion", "bash"], **{DETECTION: "1"})
        assert (tmp_path / ".bashrc").read_text(encoding="utf-8").count("propulate-like.sh") == 1
        line = "source ~/.bashrc; complete -p propulate-like"
        assert run(["bash", "--norc", "-c", line]).endswith(" propulate-like\n")

    def test_to_zsh_it_says_commands_with_their_help(self, installed):
        assert "#compdef propulate-like" in run([installed, "--show-completion", "zsh"], **{DETECTION: "1"})
        variables = {"_PROPULATE_LIKE_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "propulate-like resul"}
        assert '"results":"Show the best individuals of a run' in run([installed], **variables)

    @pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
    def test_in_zsh_it_is_installed(self, installed):
        run([installed, "--install-completion", "zsh"], **{DETECTION: "1"})
        line = "source ~/.zshrc; print -r -- $_comps[propulate-like]"
        assert run(["zsh", "-f", "-c", line]).strip() == "_propulate_like_completion"


def test_init_gives_an_editor_the_schema_beside_the_yaml(command, tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    said = command("init", "my").stdout
    assert said.startswith("wrote my/search.yaml, my/objective.py and my/search.schema.json; next: ")
    first, *_ = (tmp_path / "my/search.yaml").read_text(encoding="utf-8").splitlines()
    assert first == "# yaml-language-server: $schema=search.schema.json"
    written = json.loads((tmp_path / "my/search.schema.json").read_text(encoding="utf-8"))
    assert written == json.loads(command("schema").stdout)
    jsonschema.validate(strict_yaml.load((tmp_path / "my/search.yaml").read_bytes()), written)
    again = command("init", "my", check=False)
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)


def test_every_key_of_the_schema_has_a_description(command):
    def undescribed(node, place):
        if isinstance(node, list):
            return [each for number, member in enumerate(node) for each in undescribed(member, f"{place}[{number}]")]
        if not isinstance(node, dict):
            return []
        keys = node["properties"] if isinstance(node.get("properties"), dict) else {}
        missing = [f"{place}.{name}" for name, key in keys.items() if not key.get("description")]
        return missing + [each for name, member in node.items() for each in undescribed(member, f"{place}/{name}")]

    printed = json.loads(command("schema").stdout)  # without the parts that other tests define
    assert undescribed(printed, "") == []
    settings = printed["$defs"]["Settings"]["properties"]
    assert settings["run"]["description"].startswith("The run's folder")
    assert undescribed({"properties": {"a": {"type": "string"}}}, "") == [".a"]


class TestCompleteRun:
    def test_it_says_so_and_how_to_go_on(self, command, tmp_path):
        search_in(tmp_path)
        assert "complete:" not in command("run", "search.yaml").stdout
        said = command("run", "search.yaml").stdout
        assert "complete:   the run had met its budget before, so nothing was evaluated" in said
        assert said.endswith("go on:      propulate-like run search.yaml --set budget.evaluations=40\n")
        more = command("run", "search.yaml", "--set", "budget.evaluations=40").stdout
        assert "40 evaluations in" in more
        assert "complete:" not in more

    def test_a_target_or_a_time_that_was_reached_is_named(self, command, tmp_path):
        search_in(tmp_path)
        command("run", "search.yaml", "--set", "budget.target=2")
        said = command("run", "search.yaml", "--set", "budget.target=2").stdout
        assert said.endswith("--set budget.target=2 --set budget.target=VALUE\n")


class TestFailed:
    def test_without_failures_it_says_so(self, command, tmp_path):
        search_in(tmp_path)
        command("run", "search.yaml")
        assert command("results", "it", "--failed").stdout == "no evaluation has failed\n"
        assert command("results", "it", "--failed", "--format", "json").stdout == "[]\n"
