"""What property-based tests draw: values that are easily taken for others, parameters of all kinds, and spaces."""

import math

from hypothesis import settings
from hypothesis import strategies as st

from propulate_like import Choice, Float, Int, Ordinal, Space
from propulate_like.foundation.values import identifier
from propulate_like.problem.names import nested

EXAMPLES = settings(deadline=None)  # as many as the profile says: 100, or --hypothesis-profile=thorough

ALIKE = [1, 1.0, True, "1", "1.0", "True", "true", 0, 0.0, False, "0", "-0", None, "None", "null", "~", "", " ", '""']
ALIKE += ["nan", math.inf, "inf", ".inf", -math.inf, 1000, 1000.0, "1e3", "1_000", "0x10", 16, "yes", "no", "on", '"1"']
ALIKE += ["a b", "a\rb", "a\nb", "\x00", "\x1b[0m", "\ufeff", "\u2028", "$(touch X)", "{id}", "#", "- a", "2001-01-01"]
ALIKE += [
    "<<",
    "=",
    "!!str",
    "&a",
    "*a",
    "µ",
    "μ",
    "'",
    "\\",
    2**63,
    -(2**63),
    2**64 - 1,
    10**40,
    "\udcff",
    5e-324,
    1.7e308,
    0.1,
]
texts = st.text(max_size=6) | st.text(st.characters(), max_size=6)  # the latter with halves of surrogate pairs
scalars = st.sampled_from(ALIKE) | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.booleans() | texts
genes = st.floats(0.0, 1.0)


def typed(value):
    """Return what is equal only for values that are equal to every loss."""
    if isinstance(value, dict):
        return {name: typed(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [typed(member) for member in value]
    return type(value), value, math.copysign(1.0, value) if isinstance(value, float) and value else None


@st.composite
def floats(draw):
    log = draw(st.booleans())
    low, high = sorted((draw(st.floats(-1e6, 1e6)), draw(st.floats(-1e6, 1e6))))
    if log:
        return Float(abs(low) + 1e-3, max(abs(high), abs(low)) + 2e-3, log=True)
    count = draw(st.none() | st.integers(1, 1000))
    step = None if count is None else (high - low) / count
    return Float(low, high) if step is None or step < 1e-6 else Float(low, high, step=step)


@st.composite
def ints(draw):
    low, steps, step = draw(st.integers(-(2**40), 2**40)), draw(st.integers(0, 2**6)), draw(st.integers(1, 2**6))
    return Int(low, low + steps * step, step=step)


@st.composite
def options(draw):
    kind = draw(st.sampled_from([Choice, Ordinal]))
    return kind(*draw(st.lists(scalars, min_size=1, max_size=4, unique_by=lambda value: (type(value), value))))


parameters = options() | options() | floats() | ints()
NAMES = ["a", "b", "lr", "x1", "µ", "größe", "名", "model.lr", "a.b", "..", "lambda", "learning rate", "it's", '"q"']
NAMES += ["a: b", "k=v", "{a", "<<", "&a", "*a", "true", "null", "1", "1e3", "-", "# no", "$x", "x-y", "float", "when"]
names = st.sampled_from(NAMES)
groups = st.sampled_from([(), (), ("model",), ("model", "a.b"), ("int",)])


@st.composite
def spaces(draw):
    """Draw a space, some of whose parameters may be nested, and depend on the options of the one before."""
    space, found, before = {}, {}, None
    for inmost in draw(st.lists(names, min_size=1, max_size=3, unique=True)):
        path = (*draw(groups), inmost)
        name = identifier(".".join(path))
        if name in space or any(path == known[: len(path)] or known == path[: len(known)] for known in found):
            continue
        parameter = draw(parameters)
        if before is not None and draw(st.booleans()):
            needed = draw(st.lists(st.sampled_from(space[before].options), min_size=1, max_size=2))
            parameter = parameter.conditioned({before: tuple(needed)})
        space[name] = found[path] = parameter
        before = name if isinstance(parameter, Choice | Ordinal) else before
    return Space(nested(found.items()))


@st.composite
def points(draw):
    """Draw a space and a genome of it."""
    space = draw(spaces())
    return space, tuple(draw(genes) for _ in space)
