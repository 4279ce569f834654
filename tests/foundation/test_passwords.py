"""Passwords in URLs are neither shown nor kept, in whatever form and wherever they stand."""

import sys

import msgspec
import pytest

import propulate_like as pl
from propulate_like.cli.app import main
from propulate_like.foundation.passwords import all_masked, check_url, masked, without_password
from propulate_like.problem.budget import Budget
from propulate_like.search.config import Config, ConfigError
from propulate_like.search.specification import SearchSpecification
from propulate_like.storage.run import Run

PASSWORD = "h0rse-battery"
FORMS = [
    "postgresql://me:{}@host/db",
    "postgresql+psycopg2://me:{}@host:5432/db?sslmode=require",
    "postgresql://me:x@{}@host/db",
    "postgresql://me:{}@x@host/db",
    "mysql://me:{}/x?y#z@host/db",
    "mysql://:{}@host",
    "redis://:{}@host:6379/0",
    "postgresql://host/db?user=me&password={}",
    "postgresql://host/db?PASSWORD={}&user=me",
    "mysql://host/db?user=me;passwd={}",
    "mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3D{}",
    "snowflake://me@host/db?token={}",
    "sqlite:///x.db?key={}",
    "postgresql://me:two {}@host/db",
    "postgresql://me: {}@host/db",
    "postgresql://host/db?options=-c%20password%3D{}",
    "https://host/x?sv=2&sig={}&se=1",
    "postgresql://me:{}",
    "postgresql://me:{}'",
]
PUBLIC = [
    "sqlite:///x.db",
    "sqlite:////home/me@work/x.db",
    "postgresql://me@host/db",
    "postgresql://host:5432/db",
    "http://[::1]:8080/x",
    "https://example.org/a:b?study=x",
    "see http://host:80, or ftp://host",
    "see http://host:80, or write to me@host",
    "me:secret@host",
    "",
]


@pytest.mark.parametrize("form", FORMS)
def test_password_is_masked_in_every_form(form):
    url = form.format(PASSWORD)
    for text in (url, f"cannot open {url}: no", repr({"storage": url, "study": "x"}), f'{{"a":"{url}"}}'):
        assert PASSWORD not in masked(text)
        assert masked(masked(text)) == masked(text)
        assert masked(text).startswith(text.partition("://")[0])


@pytest.mark.parametrize("text", PUBLIC)
def test_text_without_a_password_stays_as_it_is(text):
    assert masked(text) == text


def test_structures_are_masked_in_all_their_texts():
    url = FORMS[0].format(PASSWORD)
    assert PASSWORD not in str(all_masked({"a": [url, {"b": (url,)}], "c": 1}))
    assert all_masked({"a": [1, None, 2.5, True]}) == {"a": [1, None, 2.5, True]}


@pytest.mark.parametrize("form", FORMS[:-2])
def test_what_a_library_says_of_a_url_has_no_part_of_its_password(form):
    url = form.format(PASSWORD)
    said = f'could not translate host name "{PASSWORD}@host", {url!r}, password {PASSWORD}'
    assert PASSWORD not in without_password(said, url)


def test_password_on_whose_end_software_disagrees_is_refused():
    for url in ("postgresql://me:p@ss@host/db", "postgresql://me@x:pass@host/db"):
        with pytest.raises(
            ValueError, match=r"\*\*\*@host/db: a password with an @ must have %40 in its place"
        ) as refused:
            check_url(url)
        assert "ss@" not in str(refused.value)
    for url in (
        "postgresql://me:p%40ss@host/db?x=a@b",
        "sqlite:////a@b@c.db",
        "postgresql://host/db?user=a@b@c",
        "x.log",
    ):
        check_url(url)


@pytest.mark.usefixtures("optuna")
@pytest.mark.parametrize("form", FORMS[:-2])
def test_warm_start_says_and_keeps_no_password(form, tmp_path):
    url = form.format(PASSWORD)
    for source in (
        {"storage": url, "study": "x"},
        url,
        [url],
        {"storage": url, "stduy": "x"},
        {"storage": url, "study": 1},
    ):
        with pytest.raises(ValueError, match=r"warm_start|storage") as refused:
            pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=1, warm_start=source, run=tmp_path / "run")
        assert PASSWORD not in str(refused.value)
        assert "\n" not in str(refused.value)
        assert not (tmp_path / "run").exists()
    assert PASSWORD not in str(pl.WarmStart({"storage": url}).declaration())


def test_command_is_kept_without_its_password(tmp_path):
    command = pl.Command(["sh", "-c", "echo 1", FORMS[0].format(PASSWORD), "{x}"])
    for evaluations in (2, 4):
        result = pl.minimize(command, {"x": (0.0, 1.0)}, evaluations=evaluations, run=tmp_path / "run")
        assert result.evaluations == evaluations
    assert PASSWORD not in (tmp_path / "run/config.yaml").read_text()
    assert "postgresql://me:***@host/db" in str(Run(tmp_path / "run").config["objective"])
    specification = SearchSpecification.read(command, {"x": (0.0, 1.0)}, budget=Budget(1))
    assert PASSWORD in str(msgspec.to_builtins(specification.objective))


@pytest.mark.parametrize("form", FORMS[:-1])
def test_url_in_the_place_of_a_path_is_refused_without_its_password(form, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    url = form.format(PASSWORD)
    pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=1, run="run", progress=False)
    for words in (("status", url), ("results", url), ("check", url), ("export", "run", "--to", "csv", url)):
        monkeypatch.setattr(sys, "argv", ["propulate-like", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfd.readouterr().err
        assert (ended.value.code, said.count("\n")) == (2, 1)
        assert "it is a URL" in said
        assert PASSWORD not in said
    with pytest.raises(ValueError, match="it is a URL") as refused:
        pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=1, run=url)
    assert PASSWORD not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_option_of_the_space_that_is_a_url_is_an_option(tmp_path):
    url = FORMS[0].format(PASSWORD)
    for evaluations in (2, 4):
        result = pl.minimize(lambda u: 1.0 * len(u), {"u": [url, "x"]}, evaluations=evaluations, run=tmp_path / "run")
    assert {one.params["u"] for one in result.individuals} == {url, "x"}


@pytest.mark.usefixtures("optuna")
@pytest.mark.parametrize("form", [FORMS[0], FORMS[2], FORMS[7]])
def test_commands_say_no_password(form, command, tmp_path):
    url = form.format(PASSWORD)
    text = "objective: x.py:f\nspace: {x: {float: [0, 1]}}\nbudget: {evaluations: 1}\n"
    (tmp_path / "x.yaml").write_text(text)
    (tmp_path / "x.py").write_text("def f(x):\n    return x\n")
    with pytest.raises(ConfigError):
        Config.parse(text.encode(), "x.yaml", [f"run={{a: '{url}'}}"])
    pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=1, run=tmp_path / "run", progress=False)
    quoted = f"'{url}'"
    for words in (
        ("run", "x.yaml", "--set", f"warm_start={quoted}"),
        ("run", "x.yaml", "--set", f"warm_start={{storage: {quoted}}}"),
        ("check", "x.yaml", "--set", f"seed={quoted}"),
        ("check", "x.yaml", "--set", url),
        ("export", "run", "--to", "optuna", url),
        (
            "slurm",
            "x.yaml",
            "--nodes",
            "1",
            "--time",
            "2h",
            "--ranks-per-node",
            "1",
            "--set",
            f"warm_start={{storage: {quoted}}}",
        ),
    ):
        ended = command(*words, check=False)
        assert ended.returncode == 2, ended
        assert PASSWORD not in ended.stdout + ended.stderr
        assert ended.stderr.count("\n") == 1, ended.stderr
