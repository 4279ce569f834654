"""The documents: their links lead somewhere, what they name exists, and they use the field's terms."""

import ast
import io
import re
import textwrap
import tokenize

import pytest
from conftest import ROOT

import propulate_like
from propulate_like.foundation import strict_yaml

GUIDES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
DOCUMENTS = [*GUIDES, ROOT / "CHANGELOG.md"]
PACKAGE = ROOT / "propulate_like"
MODULES = sorted(PACKAGE.rglob("*.py"))
EXAMPLES = [path for folder in ("tutorials", "configs") for path in sorted((ROOT / folder).iterdir()) if path.is_file()]

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)

OLD_NAMES = {
    *("Cells", "Points", "Residents", "Holding", "Ownership", "Beginning", "Remains", "Whereabouts"),
    *("Reads", "Breeding", "Judges", "Roster", "Tally"),
}
OLD_WORDS = re.compile(
    r"\bdear(?:er|est)?\b|\bobituar|\bghosts\b|\bheritage\b|\bbury\b|\bburied\b|\bheirs?\b|\bmint(?:s|ed)?\b"
)
OLD_TURNS = re.compile(
    r"\bcharges\b|\brisen\b|\blast words\b|\bso many\b|\bwhoever\b|\bfor good\b|\bfor ever\b|\bValueError where\b"
)


def name_of(path):
    return str(path.relative_to(ROOT))


def uses(find, paths):
    """Return what `find` finds in each file, where it finds anything."""
    found = {name_of(path): find(path.read_text()) for path in paths}
    return {name: words for name, words in found.items() if words}


def without_blocks(text):
    return BLOCK.sub("", text)


def anchors(path):
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = HEADING.findall(without_blocks(path.read_text()))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(path, language):
    return [text for kind, text in BLOCK.findall(path.read_text()) if kind == language]


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_within_the_repository_lead_somewhere(path):
    broken = []
    for link in LINK.findall(without_blocks(path.read_text())):
        target, _, anchor = link.partition("#")
        if re.match(r"\w+:", target):
            continue
        there = path.parent / target if target else path
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("path", GUIDES, ids=name_of)
def test_headings_of_a_document_have_anchors_of_their_own(path):
    assert len(anchors(path)) == len(HEADING.findall(without_blocks(path.read_text())))


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_modules_to_run_exist(path):
    for module in re.findall(r"python -m (propulate_like\w*(?:\.\w+)*)", path.read_text()):
        home = ROOT / "benchmarks" if module.startswith("propulate_like_bench") else ROOT
        place = home / module.replace(".", "/")
        assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), module


@pytest.mark.parametrize("path", GUIDES, ids=name_of)
def test_files_that_a_document_names_exist(path):
    known = {file.name for folder in ("propulate_like", "benchmarks") for file in (ROOT / folder).rglob("*.py")}
    ours = {"train.py", *(file.name for file in EXAMPLES), *(file.name for file in (ROOT / "tests").rglob("*.py"))}
    for name in re.findall(r"`([\w/]+(?:\.py|/))`", without_blocks(path.read_text())):
        found = any((folder / name).exists() for folder in (ROOT, PACKAGE, *PACKAGE.glob("*/")))
        assert found or ("/" not in name and name in known | ours), name


@pytest.mark.parametrize("path", GUIDES, ids=name_of)
def test_public_names_in_a_document_are_public(path):
    named = set(re.findall(r"\bpl\.([A-Za-z]\w*)", path.read_text()))
    assert named <= {*propulate_like.__all__, "PropagatorSampler"}


@pytest.mark.parametrize("path", GUIDES, ids=name_of)
def test_examples_in_a_document_can_be_read(path):
    for code in blocks(path, "python"):
        ast.parse(textwrap.dedent(code))
    for text in blocks(path, "yaml"):
        strict_yaml.load(text.encode())


def test_decisions_that_code_names_are_written_down():
    titles = set(HEADING.findall((ROOT / "docs/decisions.md").read_text()))
    named = uses(re.compile(r'docs/decisions\.md, "([^"]+)"').findall, [*MODULES, *GUIDES])
    assert named
    assert set().union(*named.values()) <= titles


def test_old_words_are_gone():
    assert uses(OLD_WORDS.findall, [*GUIDES, *MODULES, *EXAMPLES]) == {}


def test_old_names_are_gone_from_code_and_prose():
    def old_names(text):
        return OLD_NAMES & set(re.findall(r"`(\w+)`", text))

    def old_identifiers(text):
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        return OLD_NAMES & {token.string for token in tokens if token.type == tokenize.NAME}

    assert uses(old_names, [*GUIDES, *MODULES, *EXAMPLES]) == {}
    assert uses(old_identifiers, MODULES) == {}


def test_guides_are_written_in_plain_words():
    assert uses(OLD_TURNS.findall, [*MODULES, *(path for path in GUIDES if path.name != "comparison.md")]) == {}
