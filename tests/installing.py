"""Installing a distribution of pure Python into a folder, offline and at once, as pip would do it."""

import os
import shutil
import tomllib
from pathlib import Path


def install(project, folder):
    """Copy the package of a project's folder, and declare it; give the environment in which it is found."""
    package = _project(project)["name"].replace("-", "_")
    shutil.copytree(Path(project) / package, Path(folder) / package, ignore=shutil.ignore_patterns("__pycache__"))
    return declare_project(project, folder)


def declare_project(project, folder):
    """Write the metadata of a project's pyproject.toml, whose package is found already; give the environment."""
    declared = _project(project)
    return declare(folder, declared["name"], declared["version"], declared["entry-points"])


def declare(folder, name, version, groups):
    """Write the metadata of an installed distribution, which names entry points by group; give the environment."""
    metadata = Path(folder) / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, points in groups.items():
        lines += [f"[{group}]", *(f"{point} = {value}" for point, value in points.items()), ""]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), os.environ["PYTHONPATH"]])}


def _project(project):
    return tomllib.loads((Path(project) / "pyproject.toml").read_text(encoding="utf-8"))["project"]
