"""Damaged files, and folders that an enemy made: one clear error at worst; nothing hangs, nothing is run.

HOSTILE_CASES says how many mutated configs and journals are tried; fifty times as many bytes are changed singly.
"""

import contextlib
import json
import os
import re
import resource
import shutil
import signal
import sys
from random import Random

import msgspec
import pytest
from conftest import make_individual
from mutators import CONTROL, flipped, restructured, rewritten

import propulate_like as pl
from propulate_like.cli import show
from propulate_like.cli.dry_run import dry_run
from propulate_like.cli.rank import is_ours
from propulate_like.foundation import strict_yaml
from propulate_like.foundation.console import printable
from propulate_like.population.codec import Codec
from propulate_like.problem.budget import Budget
from propulate_like.search.config import Config
from propulate_like.search.islands.archipelago import Archipelago
from propulate_like.search.specification import SearchSpecification
from propulate_like.storage.events import FORMAT, Closed, Moved, Session
from propulate_like.storage.journal import Journal, journal_path, read
from propulate_like.storage.run import Run

CASES = int(os.environ.get("HOSTILE_CASES", "150"))
ALLOWED = 20.0
"""Seconds of this process's own that anything may take; a configuration of the largest size that is read takes ten."""
HANGING = 120.0
"""Seconds after which something hangs, however busy the machine is."""
TRAP = """\
import pathlib
pathlib.Path({marker!r}).write_text("run")
def train(x, c, n=1, epochs=1):
    return x
"""
CONFIG = """\
objective: {objective}
space:
  x: {{float: [0, 1]}}
  c: {{choice: [a, b, 3]}}
  n: {{int: [1, 8], log: true, when: {{c: a}}}}
budget: {{evaluations: 100, target: -5}}
islands: {{count: 2, topology: ring, migration_probability: 0.1}}
propagator:
  - {{select_best: 8}}
  - {{select_random: 2}}
  - {{uniform_crossover: 0.7}}
  - {{gaussian_mutation: 0.1}}
pruner: {{median: {{startup: 3}}}}
fidelity: {{name: epochs, rungs: [1, 3, 9]}}
evaluation: {{isolate: true, timeout: 60, retries: 1}}
seed: 5
run: run
"""


class OverTime(BaseException):
    """Something hangs, or takes far too long."""


@contextlib.contextmanager
def limited():
    def over(_number, _frame):
        raise OverTime

    limits = {signal.ITIMER_PROF: (signal.SIGPROF, ALLOWED), signal.ITIMER_REAL: (signal.SIGALRM, HANGING)}
    for timer, (number, seconds) in limits.items():
        signal.signal(number, over)
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for timer in limits:
            signal.setitimer(timer, 0)


_watched = []  # the folders whose code must not be run, while that is watched
_seen = []


def _audit(event, arguments):
    if not _watched:
        return
    if event == "subprocess.Popen" and arguments[0] == sys.executable:
        return  # the command line under test, started by the test itself
    started = event in ("subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn")
    if started or (event == "exec" and str(getattr(arguments[0], "co_filename", "")).startswith(_watched[0])):
        _seen.append((event, arguments))


sys.addaudithook(_audit)


@pytest.fixture
def enemy(tmp_path, monkeypatch):
    """Return a run's folder whose objective would leave a mark; nothing may be run, nor the folder be changed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trap.py").write_text(TRAP.format(marker=str(tmp_path / "marker")))
    (tmp_path / "search.yaml").write_text(CONFIG.format(objective="trap.py:train"))
    declared = Config.read("search.yaml").specification.declaration()
    folder = tmp_path / "run"
    described = strict_yaml.load((tmp_path / "search.yaml").read_bytes())
    del described["run"]
    described |= {name: declared[name] for name in ("islands", "budget", "fidelity", "propagator")}
    Run.open(folder, described)
    write_journals(folder)
    _watched.append(str(tmp_path))
    yield folder
    _watched.clear()
    assert _seen == []
    assert not (tmp_path / "marker").exists()


def write_journals(folder):
    """Write two ranks' journals with events of every kind."""
    space = Run(folder).space
    for rank in range(2):
        journal = Journal(journal_path(folder, rank))
        journal.write(Session(rank=rank, ranks=2, began=1e9, host="node", pid=7, devices=("GPU 0",), island=rank))
        for serial in range(12):
            failed = serial % 5 == 4
            one = make_individual(
                pl.Id(rank, rank, serial),
                (serial / 11, 0.5, 0.25),
                space,
                parents=(pl.Id(rank, rank, serial - 1),) if serial else (),
                origin="select_best+gaussian_mutation",
                traits=(0.1, 0.25),
                status=pl.Status.ERROR if failed else pl.Status.OK,
                loss=float("nan") if failed else serial / 7,
                seconds=1.5,
                ended=1e9 + serial,
                metrics={"accuracy": 0.5, "note": "fine"},
                cause="Traceback:\n  boom" if failed else "",
                curve=((1, 2.0), (2, 1.5)),
                rung=serial % 3,
                continues=pl.Id(rank, rank, serial - 1) if serial % 3 else None,
            )
            journal.start(one)
            if serial < 11:
                journal.end(one)
        journal.note(Moved(pl.Id(rank, rank, 3), 1, 1 - rank))
        journal.write(Closed(1e9 + 12, 0.5, "evaluations"))
        journal.close()


def all_shown(folder):
    """Return all that commands print of a folder; ValueErrors alone are let through, of one line."""
    try:
        run = Run(folder)
        known = show.status(run)
        texts = [show.status_text(known)]
        for found in (show.best(run, 5), show.failures(run, 5)):
            rows = show.rows_of(found, run)
            texts += [show.table(rows), show.as_json(show.nested_rows(found, run)), show.as_csv(rows)]
        json.dumps(known)
        specification = SearchSpecification(objective="trap.py:train", space=run.space, budget=Budget(100))
        snapshot = run.recover(Archipelago(specification, 2).recovering())
        Codec(run.space).encode(snapshot)
    except ValueError as error:
        return [said(error)]
    return texts


def dry_runn(text):
    """Return what `check` and `run --check` say of a configuration's text."""
    try:
        config = Config.parse(text, "search.yaml")
        config.check_objective()
        return dry_run(config)
    except ValueError as error:
        return said(error)


def said(error):
    """Return the one line that a command says."""
    assert is_ours(error), error
    return printable(str(error))


def assert_harmless(texts):
    for text in texts:
        assert all(character.isprintable() or character in "\n\t" for character in text), ascii(text)


def individuals(folder):
    return {(i.id, i.status, i.loss) for i in Run(folder).individuals() if i.has_loss}


class TestJournal:
    def test_every_single_byte_change_costs_the_lines_it_touches_and_no_other(self, enemy):
        """The events of all lines but the one that was changed, or the two that were joined, are given as before."""
        path = journal_path(enemy, 0)
        shutil.rmtree(enemy / "journal")
        write_journals(enemy)
        journal_path(enemy, 1).unlink()
        content = path.read_bytes()
        starts = [0, *(place + 1 for place, byte in enumerate(content) if byte == 10)]
        line_of = [line for line, start in enumerate(starts[:-1]) for _ in range(starts[line + 1] - start)]
        expected = list(read(enemy))
        assert len(expected) == len(starts) - 1 == 26
        generator = Random(1)
        refused = 0
        with path.open("r+b", buffering=0) as file:
            for _ in range(50 * CASES):
                place, byte = generator.randrange(len(content)), generator.randbytes(1)
                os.pwrite(file.fileno(), byte, place)
                line = line_of[place]
                try:
                    found = list(read(enemy))
                except ValueError as error:
                    refused += bool(re.search(r"format is \d+, and this version reads up to 1", said(error)))
                    found = None
                if found is None:
                    assert line == 0
                else:
                    after = len(expected) - line - (2 if content[place] == 10 else 1)
                    assert found[:line] == expected[:line]
                    assert found[len(found) - after :] == expected[len(expected) - after :]
                    assert line + after <= len(found) <= line + after + 2
                os.pwrite(file.fileno(), content[place : place + 1], place)
        assert list(read(enemy)) == expected
        print(f"{50 * CASES} bytes changed, {refused} times refused as of a newer version")

    def test_mutated_journals_lose_no_whole_line_and_raise_nothing_else(self, enemy):
        generator = Random(2)
        path = journal_path(enemy, 0)
        lines = path.read_bytes().splitlines(keepends=True)
        first, refused = json.loads(lines[0]), 0
        assert first["type"] == "session"
        of_line = {}
        for number, line in enumerate(lines):
            event = json.loads(line)
            if event["type"] == "evaluated" and event["loss"] is not None:
                of_line[number] = (pl.Id(*event["id"]), pl.Status.OK, event["loss"])
        for case in range(CASES):
            if case % 4 == 3:
                changed, whole = [flipped(generator, b"".join(lines))], set()
            else:
                changed, whole = rewritten(generator, lines)
            path.write_bytes(b"".join(changed))
            with limited():
                texts = all_shown(enemy)
                assert_harmless(texts)
                if len(texts) == 1:
                    assert "newer version" in texts[0], texts
                    refused += 1
                    continue
                assert {of_line[number] for number in whole if number in of_line} <= individuals(enemy)
        print(f"{CASES} journals mutated, {refused} refused as of a newer version")

    @pytest.mark.parametrize(
        "line",
        [
            b'{"type":"evaluated","id":[0,0,1],"loss":NaN',
            b'{"type":"evaluated","id":[0,0,1],"loss":1e999',
            b'{"type":"evaluated","id":[0,-1,1],"loss":1',
            b'{"type":"evaluated","id":[4294967296,0,1],"loss":1',
            b'{"type":"evaluated","id":[0,0,18446744073709551616],"loss":1',
            b'{"type":"evaluated","id":[0,0,1],"loss":1,"status":"bred"',
            b'{"type":"evaluated","id":[0,0,1],"loss":1,"status":"great"',
            b'{"type":"evaluated","id":[0,0,1],"loss":1,"status":"error"',
            b'{"type":"evaluated","id":[0,0,1],"loss":null',
            b'{"type":"evaluated","id":[0,0,1],"loss":1,"rung":200',
            b'{"type":"evaluated","id":[0,0,1],"loss":1,"rung":-1',
            b'{"type":"evaluated","id":[0,0,1],"loss":1,"cause":"\\ud800"',
            b'{"type":"evaluated","id":[0,0,1],"loss":1,"metrics":{"a":' + b"[" * 90_000 + b"]" * 90_000 + b"}",
            b'{"type":"evaluated","id":["../x",0,1],"loss":1',
            b'{"type":"evaluated","id":[0,0,1],"loss":1,"curve":[[-1,1]]',
        ],
        ids=lambda line: line[31:70].decode(errors="replace"),
    )
    def test_nonsense_that_is_well_formed_is_passed_over(self, line, enemy):
        before = all_shown(enemy)
        rest = b',"genome":[0.1,0.5,0.5],"parents":[],"origin":"","seconds":1,"ended":1}\n'
        with journal_path(enemy, 0).open("ab") as file:
            file.write(line + rest)
            file.write(line.replace(b'"loss":1', b'"loss":-1') + rest.replace(b"0.1,", b"1.1,"))
            file.write(line + rest.replace(b"0.1,", b""))
        assert all_shown(enemy) == before

    def test_line_of_hundreds_of_megabytes_and_a_terabyte_of_nothing_cost_little(self, enemy):
        before = individuals(enemy)
        tail = b'{"type":"evaluated","id":[9,9,9],"loss":1,"genome":[0.1,0.5,0.5],"parents":[],"origin":"","seconds":1,'
        with journal_path(enemy, 0).open("ab") as file:
            file.write(b'{"type":"evaluated","cause":"')
            for _ in range(300):
                file.write(b"x" * 1_000_000)
            file.write(b'"}\n' + tail + b'"ended":1}\n')
            file.truncate(file.tell() + (1 << 40))
            file.seek(0, os.SEEK_END)
            file.write(b"\n" + tail.replace(b"9,9,9", b"9,9,8") + b'"ended":1}\n')
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with limited():
            found = individuals(enemy)
        assert {ident.serial for ident, _, _ in found - before} == {8, 9}
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident < 200_000  # KiB

    def test_newer_format_is_refused_with_both_versions(self, enemy):
        for line in (
            Session(rank=0, ranks=1, began=1.0, format=FORMAT + 1),
            {"type": "session", "rank": "north", "format": FORMAT + 1},  # of which nothing else is understood
        ):
            path = journal_path(enemy, 1)
            before = path.read_bytes()
            path.write_bytes(before + msgspec.json.encode(line) + b"\n")
            words = (
                f"{path}: a newer version wrote it: its format is {FORMAT + 1}, and this version reads up to {FORMAT}"
            )
            assert all_shown(enemy) == [words]
            path.write_bytes(before)
        with (enemy / "config.yaml").open("a") as file:
            file.write(f"format: {FORMAT + 1}\n")
        assert "a newer version wrote it: its format is 2" in all_shown(enemy)[0]

    def test_terminal_never_sees_a_control_character(self, enemy):
        with journal_path(enemy, 0).open("ab") as file:
            for status, loss in (("ok", -5.0), ("error", None)):
                event = {
                    "type": "evaluated", "id": [0, 0, 99], "loss": loss, "genome": [0.1, 0.5, 0.5], "parents": [],
                    "origin": CONTROL[:-1], "seconds": 1, "ended": 3e9, "status": status, "cause": CONTROL[:-1],
                    "metrics": {CONTROL[:-1]: CONTROL[:-1]}, "rung": 2,
                }  # fmt: skip
                file.write(json.dumps(event).encode() + b"\n")
            session = {"type": "session", "rank": 0, "ranks": 2, "began": 2e9, "devices": [CONTROL[:-1]]}
            file.write(json.dumps(session).encode() + b"\n")
        texts = all_shown(enemy)
        assert_harmless(texts)
        assert r"\x1b[31m[/red][link=x]" in texts[0] + texts[1]


class TestConfig:
    def test_mutated_configs_give_one_line_and_run_nothing(self, enemy, tmp_path):
        """As the configuration of a search, and as the one in a run's folder."""
        generator = Random(3)
        text = (tmp_path / "search.yaml").read_bytes()
        command = CONFIG.format(objective="{command: [touch, marker], shell: false, folder: .}").encode()
        valid = 0
        for case in range(CASES):
            original = command if case % 3 == 2 else text
            if case % 2:
                changed = flipped(generator, original)
            else:
                structure = restructured(generator, strict_yaml.load(original))
                try:
                    changed = strict_yaml.dump(structure).encode("utf-8", "surrogatepass")
                except RecursionError:
                    continue
            (enemy / "config.yaml").write_bytes(changed)
            with limited():
                words = dry_runn(changed)
                assert_harmless([words])
                valid += "would" in words
                assert_harmless(all_shown(enemy))
        print(f"{CASES} configs mutated, {valid} of which would run")

    @pytest.mark.parametrize(
        "text",
        [
            b"a: &a [x, x]\nb: &b [*a, *a, *a]\n",
            b"a: !!python/object/apply:os.system [touch marker]\n",
            b"a: !!python/name:os.system\n",
            b"a: !!bool maybe\n",
            b"a: !!timestamp x\n",
            b"a: !!int []\n",
            b"!!set {a, b}\n",
            b"space: !!binary eA==\n",
            b"<<: {a: 1}\n",
            b"? {a: 1}\n: 2\n",
            b"a: " + b"[" * 100_000,
            b'objective: "a\\0b.py:train"\n',
            b"\xef\xbb\xbf\xef\xbb\xbf\x00",
            b"a: 0x" + b"f" * 10_000,
            b'space: {"a\\e[31m\\n": 3}\n',
        ],
    )
    def test_yaml_tricks_are_one_line(self, text, enemy):
        (enemy / "config.yaml").write_bytes(text)
        with limited():
            assert len(all_shown(enemy)) == 1
            assert "would" not in dry_runn(text)

    @pytest.mark.parametrize("share", [20, pytest.param(1, marks=pytest.mark.slow)])
    def test_largest_config_is_read_in_seconds_and_a_larger_one_is_not_read(self, share, enemy):
        lists, numbers, keys = 349_000 // share, 524_000 // share, 100_000 // share
        for text in (b"a: [" + b"[]," * lists + b"]", b"a: [" + b"1," * numbers + b"]", b"? {a: 1}\n" * keys):
            with limited():
                assert "would" not in dry_runn(text)
        with (enemy / "config.yaml").open("wb") as file:
            file.truncate(1 << 40)
        with limited():
            assert "more than the 1048576 that a configuration may have" in all_shown(enemy)[0]


class TestFolder:
    """Things in the places of files."""

    @pytest.mark.parametrize("name", ["config.yaml", "journal/rank-00000.jsonl", "owner.json"])
    @pytest.mark.parametrize("kind", ["fifo", "folder", "device", "loop", "socket"])
    def test_what_is_no_file_is_one_line_and_no_hang(self, name, kind, enemy):
        path = enemy / name
        path.unlink(missing_ok=True)
        match kind:
            case "fifo":
                os.mkfifo(path)
            case "folder":
                path.mkdir()
            case "device":
                path.symlink_to("/dev/zero")
            case "loop":
                path.symlink_to(path.name)
            case "socket":
                os.mknod(path, 0o140600)
        with limited():
            texts = all_shown(enemy)
            words = dry_runn((enemy.parent / "search.yaml").read_bytes())
        if name == "owner.json":
            assert kind == "loop" or "no regular file" in words
        else:
            assert len(texts) == 1
            assert "would begin a new run" in words or name == "config.yaml" or "would" not in words

    def test_names_that_only_look_like_journals_are_left_alone(self, enemy):
        before = all_shown(enemy)
        line = journal_path(enemy, 0).read_bytes().replace(b'"id":[0,0', b'"id":[7,7')
        for name in ("rank-\u00b2\u00b2\u00b2\u00b2\u00b2.jsonl", "rank-0.jsonl", "rank-000000.jsonl", "rank-.jsonl"):
            (enemy / "journal" / name).write_bytes(line)
        (enemy / "journal" / f"rank-{'9' * 200}.jsonl").write_bytes(line)
        assert all_shown(enemy) == before

    @pytest.mark.usefixtures("enemy")
    def test_check_says_what_a_run_would_do_and_changes_nothing(self, command, tmp_path):
        def state():
            return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in tmp_path.rglob("*")}

        before = state()
        words = command("run", "search.yaml", "--check").stdout
        assert words == (
            "search.yaml would continue the run in run: 22 evaluations done of 100 evaluations, until -5, "
            "evaluation.retry_on left to its default -> ['crashed'], 2 unfinished, best 0.285714\n"
        )
        assert (
            "would begin a new run in other: 100 evaluations"
            in command("run", "search.yaml", "--check", "--run", "other").stdout
        )
        assert (
            "evaluate nothing more: the budget of the run in run is used up"
            in command("run", "search.yaml", "--check", "--set", "budget.evaluations=20").stdout
        )
        refused = command("run", "search.yaml", "--check", "--set", "seed=6", check=False)
        assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 3)
        assert "search.yaml: run/config.yaml is of another search:\n  seed: was 5, is 6\n" in refused.stderr
        for arguments in (("status", "run"), ("results", "run"), ("results", "run", "--failed", "--format", "csv")):
            command(*arguments)
        assert state() == before

    def test_commands_say_one_line_of_what_a_mutated_folder_holds(self, enemy, command, tmp_path):
        """A sample through the real command line."""
        generator = Random(4)
        config, journal = (tmp_path / "search.yaml").read_bytes(), journal_path(enemy, 0).read_bytes()
        lines = journal.splitlines(keepends=True)
        for case in range(max(CASES // 100, 3)):
            (tmp_path / "search.yaml").write_bytes(flipped(generator, config))
            (enemy / "config.yaml").write_bytes(flipped(generator, config) if case % 3 == 0 else config)
            journal_path(enemy, 0).write_bytes(b"".join(rewritten(generator, lines)[0]))
            for words in (("status", "run"), ("results", "run", "--failed"), ("run", "search.yaml", "--check")):
                ended = command(*words, check=False)
                assert ended.returncode in (0, 2), ended.stderr
                assert ended.stderr.count("\n") == (ended.returncode == 2), ended.stderr


def test_mutated_journal_is_continued(script, python, tmp_path):
    """What is passed over when reading hurts no search that goes on either."""
    path = script(
        "import propulate_like as pl\n"
        "def loss(x, y):\n    return x + y\n"
        "result = pl.minimize(loss, {'x': (0.0, 1.0), 'y': (0.0, 1.0)}, evaluations=60, seed=1, run='run',\n"
        "    islands={'count': 2, 'pollination': False, 'migration_probability': 0.5}, progress=False)\n"
        "assert result.evaluations >= 60 and len(result.individuals) == result.evaluations, result\n"
    )
    python(path)
    journal = tmp_path / "run/journal/rank-00000.jsonl"
    content = journal.read_bytes()
    generator = Random(5)
    for _ in range(max(CASES // 100, 3)):
        journal.write_bytes(b"".join(rewritten(generator, content.splitlines(keepends=True))[0]))
        ended = python(path, check=False)
        assert ended.returncode == 0 or "a newer version wrote it" in ended.stderr, ended.stderr
