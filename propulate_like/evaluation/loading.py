"""Loading an objective by its reference in a configuration: file.py:function or module:function."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from propulate_like.evaluation.declared import Declared, at_the_top, declared
from propulate_like.foundation import forks
from propulate_like.foundation.declarations import nearest
from propulate_like.foundation.files import read_small

_LARGEST = 1 << 24  # bytes of source code
_RENAMED = "propulate_like_objective_"  # prefix of a module's name where another module has the file's name
handed: dict[str, bytes] = {}
"""Source code by the file's path, as rank 0 read it, so that a thousand ranks do not all read the same file."""
_loaded: list[tuple[str, Any]] = []  # by which references
folders: list[str] = []
"""Where a module that is an objective is looked for before `sys.path`. Not in it: this process may import no objective,
but always modules whose names its neighbours may have."""
in_child = False
"""Whether an isolated child is importing its objective, which must not start a search."""


def check(reference: str, folder: Path) -> Declared | None:
    """Check that the file or module exists and defines the function, without running it.

    Args:
        reference: The reference.
        folder: The folder that a file's path is relative to.

    Returns:
        The function as it is written there, or None where only running the file would tell.

    Raises:
        ValueError: The reference is not valid, or its file, module or function does not exist.
    """
    place, name = _parts(reference)
    path = folder / place if place.endswith(".py") else _module_file(place, folder)
    if path is None:
        return None
    if not path.is_file():
        neighbours = sorted(str(other.relative_to(folder)) for other in path.parent.glob("*.py"))
        message = f"{reference!r}: there is no file {path}{nearest(place, neighbours)}"
        raise ValueError(message)
    try:
        tree = ast.parse(read_small(path, _LARGEST), str(path))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # the last two for deep nesting
        message = f"{reference!r}: {path} is not valid Python: {error or 'it is nested too deeply'}"
        raise ValueError(message) from None
    names = _defined(tree)
    if name not in names and "*" not in names:
        functions = list(
            dict.fromkeys(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
        )
        message = f"{reference!r}: {path} defines no {name!r}{nearest(name, functions or sorted(names))}"
        raise ValueError(message)
    return declared(tree, name)


def likely_function(path: Path) -> str:
    """Return the name of the function in a file that is most likely an objective, or "loss" where it has none."""
    try:
        tree = ast.parse(read_small(path, _LARGEST))
    except (SyntaxError, ValueError, RecursionError, MemoryError, OSError):
        return "loss"
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    public = [node for node in functions if not node.name.startswith("_") and node.name != "main"]
    decorated = [node for node in public if any("objective" in ast.unparse(one) for one in node.decorator_list)]
    return next((node.name for node in [*decorated, *public]), "loss")


def load(reference: str, folder: Path) -> Any:
    """Import the file or module, and return the function.

    The file's folder, or those in `folders`, are put at the front of `sys.path`, as if Python had been started there.

    Args:
        reference: The reference.
        folder: The folder that a file's path is relative to.

    Raises:
        ValueError: The reference is not valid, or names no function.
        Exception: Any exception that the import raises.
    """
    place, name = _parts(reference)
    if place.endswith(".py"):
        path = (folder / place).resolve()
        sys.path.insert(0, str(path.parent))
        with forks.ending():
            module = _import_file(path)
    else:
        sys.path[:0] = folders
        with forks.ending():
            module = importlib.import_module(place)
    loss = getattr(module, name, None)
    if not callable(loss):
        message = f"{reference!r}: {name!r} is {'no function' if hasattr(module, name) else 'not defined'} in {place}"
        raise ValueError(message)
    _loaded.append((reference, loss))
    return loss


def located(reference: str, folder: Path) -> str:
    """Return a reference that is valid in any folder, and prepare this process for its import.

    A module will be looked for in the folder, and in the end in the working directory. `sys.argv` becomes that of a
    Python started with the file or module alone, as the arguments here are those of a command of this package.

    Raises:
        ValueError: The reference is not valid.
    """
    place, name = _parts(reference)
    if place.endswith(".py"):
        place = str((folder / place).resolve())
    else:
        folders[:] = [str(folder.resolve())]
        sys.path.append(str(Path.cwd()))
    sys.argv[:] = [place]
    return f"{place}:{name}"


def code(reference: str | object) -> dict[str, bytes]:
    """Return the source code of the file that a located reference names, by its path; empty where it names none.

    Raises:
        OSError: The file cannot be read.
        ValueError: The reference is not valid.
    """
    place = _parts(reference)[0] if isinstance(reference, str) else ""
    return {place: Path(place).read_bytes()} if place.endswith(".py") else {}


def reference_of(loss: Any) -> str:
    """Return the reference by which another process can import a loss.

    Raises:
        ValueError: No other process can import it.
    """
    module, name = getattr(loss, "__module__", None), getattr(loss, "__qualname__", "")
    found_in = sys.modules.get(str(module))
    found = getattr(found_in, name, None)
    if found is not loss or not name.isidentifier():
        message = f"{name or loss!r} cannot be imported by a child process: define it with `def` at the top of a file"
        raise ValueError(message)
    spec = getattr(found_in, "__spec__", None)
    if module == "__main__" and spec is not None and spec.name != module:  # of `python -m`
        module = spec.name
    if module != "__main__" and not str(module).startswith(_RENAMED):
        return f"{module}:{name}"
    script = getattr(found_in, "__file__", None)
    if script is None or not Path(script).is_file():
        message = f"{name}() is defined in no file that a child process can import: put it into a module of its own"
        raise ValueError(message)
    return f"{Path(script).resolve()}:{name}"


# docs/decisions.md, "Losses without a file are pickled by value"
def pickled(thing: Any, name: str) -> bytes:
    """Return a thing of a user's as bytes, from which `unpickled` makes it in another process of this program.

    What no other process can import goes along whole.

    Args:
        thing: The thing.
        name: What it is called in messages.

    Raises:
        ValueError: It cannot be pickled.
    """
    import cloudpickle

    try:
        return bytes(cloudpickle.dumps(thing))
    except Exception as error:  # noqa: BLE001 (what a user's object raises)
        message = f"{name} cannot be sent to another process: {type(error).__name__}: {error}"
        raise ValueError(message) from None


def unpickled(content: bytes) -> Any:
    """Return what another process of this program has pickled."""
    import pickle

    with forks.ending():
        return pickle.loads(content)  # noqa: S301 (of this program's own process)


def refuse_in_child() -> None:
    """Check that no isolated child is importing its objective in this process: a search must not begin there.

    Raises:
        ValueError: One is.
    """
    if in_child:
        message = "the objective's file begins a search when it is imported: write `if __name__ == '__main__':`"
        raise ValueError(message)


def known_as(loss: Any, name: str) -> None:
    """Note the name that a loss has in another process, as `name_of` tells it."""
    _loaded.append((name, loss))


def name_of(loss: Any) -> str:
    """Return the name of a loss in a run's config: its file or module, and its name there.

    It is the same for a reference, in whatever folder, and for what was loaded by it.
    """
    if isinstance(loss, str):
        place, colon, name = loss.rpartition(":")
        return f"{Path(place).name if place.endswith('.py') else place}{colon}{name}"
    for reference, known in _loaded:
        if known is loss:
            return name_of(reference)
    module = getattr(loss, "__module__", None)
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if module == "__main__" and script:
        module = Path(script).name
    return f"{module}:{getattr(loss, '__qualname__', type(loss).__name__)}"


def is_reference(text: str) -> bool:
    """Return whether a text has the form of a reference, such as train.py:train."""
    place, _, name = text.rpartition(":")
    return bool(place) and name.isidentifier()


def _parts(reference: str) -> tuple[str, str]:
    """Return the file or module, and the function's name.

    Raises:
        ValueError: The reference is not valid.
    """
    if not is_reference(reference):
        message = f"{reference!r} must have the form file.py:function or module:function"
        raise ValueError(message)
    place, _, name = reference.rpartition(":")
    return place, name


def _import_file(path: Path) -> ModuleType:
    """Import a file, under another name where a module of its name is loaded.

    Raises:
        ValueError: It cannot be imported.
    """
    loaded = sys.modules.get(path.stem)
    if loaded is not None and getattr(loaded, "__file__", None) == str(path):
        return loaded
    name = path.stem if loaded is None else _RENAMED + path.stem
    loader = _HandedOver(name, str(path)) if str(path) in handed else None
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None or spec.loader is None:
        message = f"{path} cannot be imported"
        raise ValueError(message)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class _HandedOver(SourceFileLoader):
    """A loader of source code that another rank read."""

    def get_code(self, fullname: str) -> CodeType:
        return compile(handed[self.path], self.path, "exec", dont_inherit=True)


def _module_file(module: str, folder: Path) -> Path | None:
    """Return a module's file, without importing anything, or None where it is not plain Python source.

    Raises:
        ValueError: There is no such module.
    """
    top, *rest = module.split(".")
    for root in (folder, Path.cwd(), *map(Path, sys.path)):
        base = root.joinpath(top, *rest)
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path
        if root.joinpath(top).is_dir() and not rest:
            return None
    if top in sys.builtin_module_names or (not rest and importlib.util.find_spec(top) is not None):
        return None
    message = f"there is no module {module!r}; for a file, write its name with .py, such as train.py:train"
    raise ValueError(message)


def _defined(tree: ast.Module) -> set[str]:
    """Return the names that a module may define, and "*" where it may define any."""
    names: set[str] = set()
    for node in (*at_the_top(tree), *(node for node in ast.walk(tree) if isinstance(node, ast.Global))):
        if isinstance(node, ast.Global):
            names |= set(node.names)
        elif isinstance(node, ast.Assign):
            names |= {each.id for target in node.targets for each in ast.walk(target) if isinstance(each, ast.Name)}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return names
