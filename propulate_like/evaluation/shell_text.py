"""The places in a shell's text where a quoted value is one word, and those where the shell would run parts of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_PLAIN, _SINGLE, _DOUBLE, _BACKTICKS, _BRACES, _ARITHMETIC, _COMMENT, _DOCUMENT, _ESCAPES, _PARENTHESES, _BRACKETS = (
    "",
    "quotes",
    "double quotes",
    "backticks",
    "${...}",
    "$((...))",
    "a comment",
    "a here-document",
    "or after $'...', of which shells do not see the same end",
    "or after ((, of which shells do not see the same end",
    "or after $[, of which shells do not see the same end",
)
_TEST, _SUBSCRIPT = "[[ ... ]]", "a subscript"
_WORD = r"""(?:'[^']*'|"[^"]*"|\\.|[^\s;&|<>()'"\\])+"""
_TOKEN = re.compile(rf"\\.|\$\(\(|\$\(|\$\[|\(\(|\$\{{|\$'|<<<|<<-?[ \t]*{_WORD}|.", re.DOTALL)
_CHARACTER = re.compile(r".", re.DOTALL)
_EXPANSIONS = {
    "$((": (_ARITHMETIC, _ARITHMETIC),
    "$[": (_BRACKETS,),
    "$(": (_PLAIN,),
    "${": (_BRACES,),
    "`": (_BACKTICKS,),
}
_QUOTES = {'"': (_DOUBLE,), "'": (_SINGLE,), "$'": (_ESCAPES,)}
_OPENS = {
    _PLAIN: _EXPANSIONS | _QUOTES | {"(": (_PLAIN,), "((": (_PARENTHESES,)},
    _DOUBLE: _EXPANSIONS,
    _BACKTICKS: _EXPANSIONS | _QUOTES,
    _BRACES: _EXPANSIONS | _QUOTES,
    _ARITHMETIC: _EXPANSIONS | {"(": (_ARITHMETIC,), "((": (_ARITHMETIC, _ARITHMETIC)},
    _SINGLE: {},
    _COMMENT: {},
    _ESCAPES: {},
    _PARENTHESES: {},
    _BRACKETS: {},
}
_CLOSES = {
    _PLAIN: ")",
    _DOUBLE: '"',
    _BACKTICKS: "`",
    _BRACES: "}",
    _ARITHMETIC: ")",
    _SINGLE: "'",
    _COMMENT: "\n",
    _ESCAPES: "",
    _PARENTHESES: "",
    _BRACKETS: "",
}
_WHOLE_TEST = re.compile(r"(?<![^\s;&|(!])\[\[\s[^'\"\\]*?\s\]\]")
_OPEN_TEST = re.compile(r"(?<![^\s;&|(!])\[\[\s")
_OPEN_SUBSCRIPT = re.compile(r"(?<![^\s;&|(`])\w+\[")
_ASSIGNED = re.compile(r"\]\+?=")  # which ends a subscript, however far away


def unsafe_places(text: str, placeholders: Sequence[re.Match[str]]) -> Iterator[tuple[str, str]]:
    """Yield each placeholder whose quoted value would not be one word, as its name and what it stands in.

    It is one word where a POSIX shell reads words, at the top or inside $(...). Inside quotes, for one, the value's own
    quotes would end those of the text, and the shell would run what is between.

    Args:
        text: The shell's text.
        placeholders: The placeholders in it, whose group 1 is the name.
    """
    plain = text
    for found in placeholders:  # what a name says is not in the text that the shell gets
        plain = plain[: found.start(1)] + "_" * len(found[1]) + plain[found.end(1) :]
    places = _places(plain)
    for found in placeholders:
        before = text[: found.start()]
        if before.endswith("$"):
            yield found[1], _BRACES
        elif (len(before) - len(before.rstrip("\\"))) % 2:
            yield found[1], "a word with a \\ before it"
        elif places[found.start()]:
            yield found[1], places[found.start()]
        elif _OPEN_TEST.search(_WHOLE_TEST.sub("", before)):
            yield found[1], _TEST
        elif _OPEN_SUBSCRIPT.search(before) and _ASSIGNED.search(text, found.end()):
            yield found[1], _SUBSCRIPT


def _places(text: str) -> list[str]:
    """Return what each character stands in; "" where the shell reads words."""
    places: list[str] = []
    stack = [_PLAIN]
    documents: list[str] = []
    while len(places) < len(text):
        found = (_CHARACTER if stack[-1] in (_SINGLE, _COMMENT) else _TOKEN).match(text, len(places))
        piece = found[0] if found else ""
        here_document = piece.startswith("<<") and piece != "<<<" and stack[-1] == _PLAIN
        around = next((each for each in stack if each not in (_PLAIN, _DOUBLE)), stack[-1])
        begins_word = not places or text[len(places) - 1] in " \t\n;&|()"
        places += [_DOCUMENT if here_document else around] * len(piece)
        if here_document:
            documents.append(piece)
        else:
            _take(piece, stack, begins_word=begins_word)
        if piece == "\n" and stack[-1] == _PLAIN:
            for document in documents:
                places += [_DOCUMENT] * _length(document, text[len(places) :])
            documents.clear()
    return places


def _take(piece: str, stack: list[str], *, begins_word: bool) -> None:
    """Change what the shell is in by the next piece of the text."""
    inside = stack[-1]
    if piece == "`" and _BACKTICKS in stack:  # inside backticks, any other one has a backslash before it
        del stack[stack.index(_BACKTICKS) :]
    elif piece == "#" and inside == _PLAIN and begins_word:
        stack.append(_COMMENT)
    elif piece == "'" and inside == _BRACES and _DOUBLE in stack:
        return  # a character like any other
    elif piece == _CLOSES[inside] and len(stack) > 1:
        stack.pop()
    else:
        stack += _OPENS[inside].get(piece, ())


def _length(document: str, text: str) -> int:
    """Return the length of a here-document at the beginning of a text, with the line that ends it."""
    end = re.sub(r"[\\'\"]", "", document.lstrip("<-").strip())
    joins = not re.search(r"[\\'\"]", document)  # a line that ends with a backslash and the next one
    length, joined = 0, ""
    for line in text.split("\n"):  # splitlines knows more line ends than shells do
        length += len(line) + 1
        words = line.lstrip("\t") if document.startswith("<<-") and not joined else line
        if joins and (len(words) - len(words.rstrip("\\"))) % 2:
            joined += words[:-1]
        elif joined + words == end:
            return (
                len(text) if joined else min(length, len(text))
            )  # shells differ in whether a line that is joined ends it
        else:
            joined = ""
    return len(text)
