"""Agreement: before a search begins, ranks compare what they were asked for; all of them begin it, or none does."""

from __future__ import annotations

import json
import os
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from threading import Timer
from typing import Any

import msgspec

from propulate_like.evaluation.command import Command
from propulate_like.evaluation.fingerprint import fingerprint
from propulate_like.foundation import declarations
from propulate_like.foundation.console import printable, say
from propulate_like.parallel.transport import Transport, launched
from propulate_like.problem.directions import directions_of
from propulate_like.search.specification import SearchSpecification

_RANK_0S = ("seed", "warm_start", "points")  # as rank 0 was given them, they hold for all
_NAMED = 3  # ranks, and values, that a message about many of them names
_SHOWN, _BEFORE = 40, 12  # characters of a value, and those before where two values begin to differ
_PATIENCE_SECONDS = 60.0  # for ranks that load much, or many of them, one after the other


class RanksDiffer(SystemExit):
    """The end, with status 2, of a program whose ranks were asked for different searches; rank 0 has said what differs.

    No rank could go on alone, so this is not an error to be handled, but an exit.
    """

    def __init__(self) -> None:
        super().__init__(2)


class Word(msgspec.Struct, frozen=True):
    """What a rank tells the others: the terms of its search as texts, or why it cannot begin one."""

    terms: dict[str, str] = {}
    refusal: str = ""


def agree(world: Transport, specification: SearchSpecification | None, refusal: BaseException | None = None) -> None:
    """Let every rank begin the same search, or none begin any; all ranks must call this.

    Args:
        world: The way to all ranks.
        specification: What this rank is to search, or None where it has a `refusal`.
        refusal: Why this rank cannot begin the search, or None.

    Raises:
        RanksDiffer: What ranks were asked for differs, or some of them cannot begin.
        BaseException: The refusal, where all ranks have the same.
    """
    if world.size > 1:
        word = word_of(specification, refusal)
        said = msgspec.json.encode(word)
        if len(set(world.gather(zlib.crc32(said).to_bytes(4, "big")))) > 1:
            words = [msgspec.json.decode(each, type=Word) for each in world.gather(said)]
            if world.rank == 0:
                say(printable(disagreement(words)))
            world.broadcast(b"")  # until rank 0 has said it, no rank ends: its end may end all
            world.close(1.0)
            raise RanksDiffer
    if refusal is not None:
        world.close(1.0)
        raise refusal


@contextmanager
def impatient() -> Iterator[None]:
    """Say once, on ranks 0 and 1, that they wait long for others: those may have ended, or begin no search."""
    rank, ranks = launched() or (0, 1)
    if ranks == 1 or rank > 1:
        yield
        return
    words = f"rank {rank} has waited {_PATIENCE_SECONDS:g} s for other ranks: each must make the same searches in turn"
    timer = Timer(_PATIENCE_SECONDS, say, [words])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def word_of(specification: SearchSpecification | None, refusal: BaseException | None = None) -> Word:
    """Return what this rank has to tell."""
    if refusal is None and specification is not None:
        try:
            return Word({name: _written(value) for name, value in _flat(terms(specification))})
        except (ValueError, TypeError, RuntimeError) as error:  # of an object within that has no text
            refusal = error
    kind = "" if isinstance(refusal, ValueError) else f"{type(refusal).__name__}: "
    text = " ".join(f"{kind}{refusal}".split()) or type(refusal).__name__
    return Word(refusal=text.encode("utf-8", "backslashreplace").decode())


def terms(specification: SearchSpecification) -> dict[str, Any]:
    """Return all that must be the same on every rank, by the names that Python and YAML have for it.

    That is all that a specification declares, but for what rank 0 was given for all: the seed, the warm start, the
    points and the seconds of the budget, as each rank may have subtracted the time that it took to start.
    """
    declared = specification.declaration()
    objective, space, evaluation = specification.objective, specification.space, specification.evaluation
    python = map(str, sys.version_info[:2])
    loss = msgspec.structs.asdict(objective) if isinstance(objective, Command) else fingerprint(objective)
    given = {
        "loss": loss,
        "directions": directions_of(specification.signs),
        "space": None if space is None else {"": list(space), **space.declaration()},
        "budget": {**msgspec.structs.asdict(specification.budget), "seconds": None},
        "evaluation": {**msgspec.structs.asdict(evaluation), "retry_on": sorted(evaluation.retry_on)},
        "run": None if specification.run is None else os.path.realpath(specification.run),
        "fork": None if specification.fork is None else os.path.realpath(specification.fork),
        "version": f"{import_module('propulate_like').__version__} under Python {'.'.join(python)}",
    }
    left_out = {*given, *_RANK_0S, "objective", "maximize"}
    return given | {name: value for name, value in declared.items() if name not in left_out}


def disagreement(words: Sequence[Word]) -> str:
    """Return one line that says which ranks cannot begin, or were given what else than rank 0.

    Args:
        words: What the ranks told, in their order; not all the same.
    """
    refused = {rank: word.refusal for rank, word in enumerate(words) if word.refusal}
    if refused:
        first = next(iter(refused.values()))
        alike = [rank for rank, refusal in refused.items() if refusal == first]
        others = "" if len(refused) == len(words) else ", and other ranks can"
        return f"{_ranks(alike)} cannot begin the search{others}: {first}"
    own = words[0].terms
    others_terms = {rank: word.terms for rank, word in enumerate(words) if word.terms != own}
    names = [name for name in _names(words) if any(each.get(name) != own.get(name) for each in others_terms.values())]
    said = []
    for name in names[:_NAMED]:
        theirs = next(each.get(name) for each in others_terms.values() if each.get(name) != own.get(name))
        said.append(_difference(name, theirs, own.get(name)))
    if len(names) > _NAMED:
        said.append(f"{len(names) - _NAMED} more")
    ranks = [*others_terms]
    return (
        f"{_ranks(ranks)} {'were' if len(ranks) > 1 else 'was'} given another {', '.join(said)}: every rank must make "
        "the same call, so draw what is random from a seed that all of them have"
    )


def _difference(name: str, theirs: str | None, own: str | None) -> str:
    """Return a name with what another rank has and what rank 0 has."""
    if None not in (theirs, own) and _unordered(theirs) == _unordered(own):
        what = "in another order than rank 0, as a set has in each process: give a list"
        return f"{name} ({what})"
    start = 0
    if theirs is not None and own is not None:
        alike = next((place for place, (one, other) in enumerate(zip(theirs, own)) if one != other), 0)
        start = max(alike - _BEFORE, 0)
    return f"{name} ({_shown(theirs, start)}) than rank 0 ({_shown(own, start)})"


def _shown(text: str | None, start: int) -> str:
    if text is None:
        return "none"
    start = start if len(text) > _SHOWN else 0
    return f"{'...' if start else ''}{text[start : start + _SHOWN]}{'...' if len(text) > start + _SHOWN else ''}"


def _unordered(text: str | None) -> str:
    """Return a text in which lists of the same members are the same."""

    def sort(value: Any) -> Any:
        if isinstance(value, list):
            return sorted(map(sort, value), key=json.dumps)
        return {name: sort(each) for name, each in value.items()} if isinstance(value, dict) else value

    return json.dumps(sort(json.loads(text or "null")))


def _names(words: Sequence[Word]) -> list[str]:
    """Return the names of all terms, those of rank 0 first."""
    return list(dict.fromkeys(name for word in words for name in word.terms))


def _ranks(ranks: Sequence[int]) -> str:
    """Return ranks as a message names them."""
    named = [str(rank) for rank in ranks[:_NAMED]]
    if len(ranks) > _NAMED:
        named.append(f"{len(ranks) - _NAMED} more")
    words = " and ".join(filter(None, [", ".join(named[:-1]), named[-1]]))
    return f"rank{'s' if len(ranks) > 1 else ''} {words}"


def _flat(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the values with their names, those within a mapping as in evaluation.timeout."""
    for name, value in given.items():
        if isinstance(value, Mapping):
            for key, member in value.items():
                yield f"{name}.{key}" if key else name, member
        else:
            yield name, value


def _written(value: Any) -> str:
    """Write a value as text that is the same on every rank: of an object that has none, its class."""
    return json.dumps(value, skipkeys=True, sort_keys=True, default=_plain)


def _plain(thing: Any) -> Any:
    if isinstance(thing, set | frozenset):
        return declarations.ordered(thing)
    return type(thing).__qualname__
