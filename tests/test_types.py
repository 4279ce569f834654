"""Types reach the user: two type checkers read scripts against the package as it is installed from its wheel."""

import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from conftest import ROOT

import propulate_like as pl

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.xdist_group("types")]  # one wheel serves all
SCRIPTS = sorted((Path(__file__).parent / "user_scripts").glob("*.py"))
REFUSED = {
    (script.name, number)
    for script in SCRIPTS
    for number, line in enumerate(script.read_text().splitlines(), 1)
    if "# refused" in line
}


def run(folder, *command, **more):
    """Run a program that finds the package where it is installed only."""
    environment = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "MYPYPATH"}} | more
    return subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return the Python of a new environment with the wheel, which shares the other libraries with this one."""
    pytest.importorskip("hatchling", reason="builds the wheel: pip install hatchling")
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    built = run(folder, *pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", "wheels", ROOT)
    assert built.returncode == 0, built.stderr
    venv.create(folder / "environment", symlinks=True)
    python = folder / "environment/bin/python"
    site = run(folder, python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip()
    (wheel,) = (folder / "wheels").glob("*.whl")
    put = run(folder, *pip, "install", "--quiet", "--no-deps", "--target", site, wheel)
    assert put.returncode == 0, put.stderr
    others = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    Path(site, "others.pth").write_text("\n".join([*others, ""]))
    return python


def pyright(folder, *arguments, **more):
    """Return what pyright says, in JSON."""
    pytest.importorskip("pyright", reason="pip install pyright[nodejs]")
    ended = run(folder, sys.executable, "-m", "pyright", "--outputjson", *arguments, **more)
    return json.loads(ended.stdout[ended.stdout.index("{") :])


def package_in(folder, python):
    """Return where an environment has the package."""
    code = "import pathlib, propulate_like; print(pathlib.Path(propulate_like.__file__).parent)"
    return Path(run(folder, python, "-c", code).stdout.strip())


def test_wheel_has_the_package_with_its_types_and_nothing_else(installed, tmp_path):
    package = package_in(tmp_path, installed)
    assert package.is_relative_to(installed.parent.parent)
    names = {path.name for path in package.iterdir()}
    assert names - {"__pycache__"} == {path.name for path in (ROOT / "propulate_like").iterdir()} - {"__pycache__"}
    assert "py.typed" in names


def test_mypy_strict_refuses_what_is_wrong_and_that_alone(installed, tmp_path):
    pytest.importorskip("mypy")
    said = run(tmp_path, sys.executable, "-m", "mypy", "--strict", "--python-executable", installed, *SCRIPTS).stdout
    assert {(name, int(line)) for name, line in re.findall(r"(\w+\.py):(\d+): error", said)} == REFUSED, said


def test_pyright_refuses_what_is_wrong_and_that_alone(installed, tmp_path):
    found = pyright(tmp_path, "--pythonpath", installed, *SCRIPTS)["generalDiagnostics"]
    lines = {(Path(each["file"]).name, each["range"]["start"]["line"] + 1) for each in found}
    assert lines == REFUSED, found


def test_every_public_name_has_a_type_that_checkers_agree_on(installed, tmp_path):
    """The names of `__all__`, their attributes, methods and parameters; pyright calls the rest of the package public
    too, as its modules have no underscores."""
    site = str(package_in(tmp_path, installed).parent)  # where pyright would not look by its option --pythonpath
    said = pyright(tmp_path, "--verifytypes", "propulate_like", "--ignoreexternal", PYTHONPATH=site)
    places = [f"{getattr(pl, name).__module__}.{name}" for name in pl.__all__]
    public = [
        symbol
        for symbol in said["typeCompleteness"]["symbols"]
        if any(symbol["name"] == place or symbol["name"].startswith(f"{place}.") for place in places)
    ]
    assert len(public) > 400
    unclear = [symbol["name"] for symbol in public if not symbol["isTypeKnown"] or symbol["isTypeAmbiguous"]]
    assert not unclear, f"{1 - len(unclear) / len(public):.1%}"
