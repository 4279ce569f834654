"""What is published works without the sources: the sdist and the wheel have what they need, and nothing else."""

import email
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

import propulate_like

pytest.importorskip("hatchling")
pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.xdist_group("packaging")]
SECONDS = 300
VERSION = propulate_like.__version__
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SEARCH = """
import propulate_like as pl


def loss(x):
    return -x * x


if __name__ == "__main__":
    print(pl.__file__)
    result = pl.maximize(loss, {"x": (-1.0, 1.0)}, evaluations=30, seed=0, evaluation={"isolate": True}, run="run")
    print(result.best.value == loss(**result.best.params))
"""


def run(*words, folder):
    """Run a command in a folder, with no module of this repository on its path, and return what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ended = subprocess.run(
        [*map(str, words)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build the sdist of a copy of what git has, and the wheel of what is in the sdist; return their folder."""
    folder = tmp_path_factory.mktemp("built")
    names = run("git", "ls-files", "--cached", "--others", "--exclude-standard", folder=ROOT).splitlines()
    for name in names:
        if (ROOT / name).is_file() and not (ROOT / name).is_symlink():
            (folder / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / "copy" / name)
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, folder=folder / "copy")
    with tarfile.open(folder / f"propulate_like-{VERSION}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    unpacked = folder / f"propulate_like-{VERSION}"
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, folder=unpacked)
    return folder


def test_the_sdist_has_all_that_the_repository_has_for_users_and_developers(built):
    unpacked = built / f"propulate_like-{VERSION}"
    for name in ("LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "tests/conftest.py", ".ci/run"):
        assert (unpacked / name).read_bytes() == (ROOT / name).read_bytes()
    modules = {path.relative_to(ROOT) for path in (ROOT / "propulate_like").rglob("*.py")}
    assert {path.relative_to(unpacked) for path in (unpacked / "propulate_like").rglob("*.py")} == modules


def test_the_wheel_has_the_package_and_the_license_and_nothing_else(built):
    with zipfile.ZipFile(built / f"propulate_like-{VERSION}-py3-none-any.whl") as wheel:
        names = wheel.namelist()
        about = f"propulate_like-{VERSION}.dist-info"
        assert {name.partition("/")[0] for name in names} == {"propulate_like", about}
        assert "propulate_like/py.typed" in names
        assert wheel.read(f"{about}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
        told = email.message_from_string(wheel.read(f"{about}/METADATA").decode())
    assert (told["Version"], told["License-Expression"], told["Requires-Python"]) == (VERSION, "BSD-3-Clause", ">=3.11")
    assert told.get_payload().strip() == (ROOT / "README.md").read_text(encoding="utf-8").strip()
    assert told.get_all("Classifier") == PROJECT["classifiers"]


@pytest.mark.parametrize("form", ["py3-none-any.whl", "tar.gz"])
def test_an_installation_of_it_searches_without_the_sources(form, built, tmp_path):
    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", environment, folder=tmp_path)
    purelib = next((environment / "lib").glob("python*/site-packages"))
    (purelib / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    package = next(path for path in built.iterdir() if path.name.endswith(form))
    run(environment / "bin/pip", "install", "--no-deps", "--no-index", "--no-build-isolation", package, folder=tmp_path)
    (tmp_path / "search.py").write_text(SEARCH, encoding="utf-8")
    where, right = run(environment / "bin/python", "search.py", folder=tmp_path).splitlines()
    assert Path(where).is_relative_to(purelib)
    assert right == "True"
    command = environment / "bin/propulate-like"
    assert run(command, "--version", folder=tmp_path) == f"propulate-like {VERSION}\n"
    run(command, "init", "my", folder=tmp_path)
    assert "200 evaluations in" in run(command, "run", "search.yaml", folder=tmp_path / "my")
    assert "value" in run(command, "results", "runs/search", folder=tmp_path / "my")
