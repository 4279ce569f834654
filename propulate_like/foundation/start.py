"""A Python that runs a module of this package, and imports nothing from the working directory before.

Run by `command` as a program, which imports nothing of the package but the module.
"""

import importlib.util
import sys
from pathlib import Path


def command(module: str) -> list[str]:
    """Return the command that runs the function `main` of a module, of this very package, in another Python.

    The arguments that follow it are those of `main`, and what that returns is the exit status. Only the standard
    library and installed packages are searched for imports.
    """
    return [sys.executable, "-P", str(Path(__file__).resolve()), module]


def _run() -> None:
    """Run the module that the command line names."""
    del sys.argv[0]
    package, _, _ = sys.argv[0].partition(".")
    spec = importlib.util.spec_from_file_location(package, Path(__file__).resolve().parents[1] / "__init__.py")
    if spec is None or spec.loader is None:
        raise ImportError(package)
    sys.modules[package] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[package])
    sys.exit(importlib.import_module(sys.argv[0]).main(sys.argv[1:]))


if __name__ == "__main__":
    _run()
