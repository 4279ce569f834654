"""What was interrupted is not finished: whatever the loss then does, it is evaluated again when the run continues."""

import csv
import json
import signal
import subprocess
import sys
import time

import pytest

from propulate_like.foundation import early_signals
from propulate_like.storage.events import Evaluated, Started
from propulate_like.storage.journal import read

CAUGHT = """
    import asyncio, logging, signal, threading, time

    continued, finished = False, []

    def wait():
        '''Wait for the interrupt, or not at all once the run continues.'''
        deadline = time.monotonic() + 20
        while not continued and time.monotonic() < deadline:
            time.sleep(0.01)

    def returns(x):
        try:
            wait()
        except KeyboardInterrupt:
            pass
        return x

    def returns_a_mapping(x):
        try:
            wait()
        except KeyboardInterrupt:
            pass
        return {"loss": x, "epochs": 1}

    def raises(x):
        try:
            wait()
        except KeyboardInterrupt:
            raise RuntimeError("the training was cut short") from None
        return x

    def exits(x):
        try:
            wait()
        except KeyboardInterrupt:
            raise SystemExit from None
        return x

    def returns_from_finally(x):
        try:
            wait()
        finally:
            return x

    def yields(x):
        try:
            wait()
        except KeyboardInterrupt:
            pass
        yield x
        if not continued:
            finished.append("a generator was driven on")
        return x

    def yields_no_more(x):
        yield x + 1
        try:
            wait()
        except KeyboardInterrupt:
            pass
        yield x if continued else "no number"

    def reports(x, evaluation):
        try:
            wait()
        except KeyboardInterrupt:
            pass
        evaluation.report(x)
        if not continued:
            finished.append("a report passed")

    def catches_what_the_report_raises(x, evaluation):
        try:
            wait()
            evaluation.report(x)
        except BaseException:
            try:
                evaluation.report(x)
            except BaseException:
                pass
        return x

    def takes_the_context(x, evaluation):
        try:
            wait()
        except KeyboardInterrupt:
            pass
        return x

    def asks(trial):
        x = trial.suggest_float("x", 0, 1)
        try:
            wait()
        except KeyboardInterrupt:
            pass
        return x

    class Waiting:
        def __del__(self):
            wait()

    def waits_where_exceptions_are_ignored(x):
        waiting = Waiting()
        del waiting
        return x

    def waits_in_a_library_that_catches_everything(x):
        class Handler(logging.Handler):
            def emit(self, record):
                try:
                    wait()
                except:
                    pass
        Handler().handle(logging.makeLogRecord({}))
        return x

    def waits_for_a_thread(x):
        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        try:
            thread.join()
        except KeyboardInterrupt:
            pass
        return x

    async def awaits(x):
        try:
            while not continued:
                await asyncio.sleep(0.001)
        except BaseException:
            pass
        return x

    async def awaits_and_yields(x):
        yield x + 1
        try:
            wait()
        except KeyboardInterrupt:
            pass
        yield x

    def has_an_alarm_of_its_own(x):
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, 1000)
        try:
            wait()
        except KeyboardInterrupt:
            pass
        return x
"""
WAYS = [
    line.split("def ")[1].split("(")[0]
    for line in CAUGHT.splitlines()
    if line.startswith(("    def ", "    async def "))
][1:]


@pytest.mark.process
@pytest.mark.parametrize(
    "settings",
    [
        {},
        pytest.param({"retries": 2, "retry_on": ["error", "invalid"]}, marks=pytest.mark.slow),
        pytest.param({"energy": True}, marks=pytest.mark.slow),
    ],
)
def test_what_a_loss_does_after_its_interrupt_does_not_count(settings, script, python, reports):
    script(CAUGHT, "caught.py")
    path = script(f"""
        import warnings
        import caught, propulate_like as pl
        warnings.simplefilter("ignore")
        for way in {WAYS}:
            caught.continued = False
            loss = getattr(caught, way)
            words = dict(seed=0, run=f"runs/{{way}}", progress=False, evaluation={{"grace": 0, **{settings}}})
            space = None if way == "asks" else {{"x": (0.0, 1.0)}}
            cut = pl.minimize(loss, space, seconds=0.1, **words)
            caught.continued = True
            again = pl.minimize(loss, space, evaluations=2, **words)
            report(way, cut.reason, cut.evaluations, again.evaluations, again.individuals[0].id.serial)
            report(way, *caught.finished)
    """)
    python(path)
    expected = []
    for way in WAYS:
        expected += [[way, "seconds", "0", "2", "0"], [way]]
    assert reports() == expected


@pytest.mark.process
def test_loss_that_goes_on_after_its_interrupt_gets_it_again(script, python, reports):
    path = script("""
        import time, propulate_like as pl
        times = []
        def loss(x):
            while len(times) < 3:
                try:
                    time.sleep(1000)
                except KeyboardInterrupt:
                    times.append(time.monotonic())
            return x
        result = pl.minimize(loss, {"x": (0.0, 1.0)}, seconds=0.1, evaluation={"grace": 0})
        report(result.evaluations, len(times), all(b - a > 0.9 for a, b in zip(times, times[1:])))
    """)
    python(path)
    assert reports() == [["0", "3", "True"]], "each time with a second for what it has to clean up"


@pytest.mark.process
@pytest.mark.parametrize("number", early_signals.SIGNALS)
def test_second_signal_interrupts_at_once_what_caught_the_first(number, script, python, reports):
    path = script(f"""
        import signal, threading, time, propulate_like as pl
        caught = []
        def tell():
            time.sleep(0.2)  # a signal just before a blocking call does not end that
            signal.pthread_kill(threading.main_thread().ident, {number:d})
            while not caught:
                time.sleep(0.01)
            time.sleep(0.2)
            signal.pthread_kill(threading.main_thread().ident, {number:d})
        def loss(x):
            threading.Thread(target=tell).start()
            for turn in range(2):
                try:
                    time.sleep(1000)
                except KeyboardInterrupt:
                    caught.append(turn)
            return x
        # the first signal's grace ends at once, the second interrupt's would in 1000 s
        from propulate_like.search import signals
        signals._AGAIN_SECONDS = 1000
        result = pl.minimize(loss, {{"x": (0.0, 1.0)}}, evaluations=3, evaluation={{"grace": 0}})
        report(result.reason, result.evaluations, caught)
    """)
    python(path)
    assert reports() == [["interrupted", "0", "[0,", "1]"]]


@pytest.mark.mpi
@pytest.mark.parametrize("isolate", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("waiting", [[0], [1], [0, 1]])
def test_team_of_which_any_member_caught_the_interrupt_has_no_loss(waiting, isolate, script, python, reports):
    path = script(f"""
        import os, time, propulate_like as pl
        def loss(x, evaluation):
            try:
                while evaluation.rank in {waiting} and not os.path.exists("go"):
                    time.sleep(0.01)
            except KeyboardInterrupt:
                pass
            return x
        if __name__ == "__main__":
            words = dict(seed=0, run="run", evaluation={{"grace": 0, "ranks_per_worker": 2, "isolate": {isolate}}})
            cut = pl.minimize(loss, {{"x": (0.0, 1.0)}}, seconds=1, **words)
            open("go", "w").close()
            again = pl.minimize(loss, {{"x": (0.0, 1.0)}}, evaluations=2, **words)
            report(cut.evaluations, again.evaluations, again.individuals[0].id)
    """)
    python(path, ranks=2)
    assert reports() == [["0", "2", "0-0-0"]] * 2


STUBBORN = """\
objective: {command: [sh, -c, "trap 'echo 0.5; exit 0' TERM INT USR1; echo begun > begun; sleep 1000 & wait; echo {x}"]}
space: {x: {float: [0, 1]}}
budget: {evaluations: 2, seconds: 3}
evaluation: {grace: 0.1}
run: run
"""


@pytest.mark.process
def test_command_that_prints_a_loss_when_it_is_told_to_end_is_not_asked(command, tmp_path):
    (tmp_path / "search.yaml").write_text(STUBBORN, encoding="utf-8")
    command("run", "search.yaml")
    assert (tmp_path / "begun").exists()
    events = [event for _, event in read(tmp_path / "run")]
    assert any(isinstance(event, Started) for event in events)
    assert not any(isinstance(event, Evaluated) for event in events)


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_child_that_got_the_ranks_signal_too_is_unfinished(number, script, python, reports):
    """Slurm sends its signals to all processes of a job's step."""
    path = script(f"""
        import os, signal, threading, time, psutil, propulate_like as pl
        def loss(x):
            if os.path.exists("go"):
                return x
            open("begun", "w").close()
            try:
                time.sleep(1000)
            except KeyboardInterrupt:
                return x
        def tell():
            while not os.path.exists("begun"):
                time.sleep(0.01)
            me = psutil.Process()
            for process in [me, *me.children(recursive=True)]:
                if "propulate_like.evaluation.child" in process.cmdline() or process == me:
                    process.send_signal({number:d})
        if __name__ == "__main__":
            words = dict(evaluations=2, seed=0, run="run", evaluation={{"isolate": True, "grace": 1000}})
            threading.Thread(target=tell).start()
            cut = pl.minimize(loss, {{"x": (0.0, 1.0)}}, **words)
            open("go", "w").close()
            again = pl.minimize(loss, {{"x": (0.0, 1.0)}}, **words)
            report(cut.reason, cut.evaluations, again.evaluations, *again.statuses)
    """)
    python(path)
    assert reports() == [["interrupted", "0", "2", "ok"]]


@pytest.mark.process
@pytest.mark.parametrize("status", [0, 1])
def test_command_that_exits_without_a_loss_when_it_is_told_as_well_is_unfinished(status, script, python, reports):
    """As programs do that save what they have when Slurm tells them to end."""
    path = script(f"""
        import os, signal, threading, time, psutil, propulate_like as pl
        command = "if [ -e go ]; then echo {{x}}; exit; fi; trap 'exit {status}' TERM; touch begun; "
        command += "while :; do sleep 0.05; done"
        def tell():
            while not os.path.exists("begun"):
                time.sleep(0.01)
            me = psutil.Process()
            for process in [me, *me.children(recursive=True)]:
                if process == me or "trap" in " ".join(process.cmdline()):
                    process.send_signal(signal.SIGTERM)
        words = dict(evaluations=2, seed=0, run="run", evaluation={{"grace": 1000}})
        threading.Thread(target=tell).start()
        cut = pl.minimize(pl.Command(command, shell=True), {{"x": (0.0, 1.0)}}, **words)
        open("go", "w").close()
        again = pl.minimize(pl.Command(command, shell=True), {{"x": (0.0, 1.0)}}, **words)
        report(cut.reason, cut.evaluations, again.evaluations, *again.statuses)
    """)
    python(path)
    assert reports() == [["interrupted", "0", "2", "ok"]]


@pytest.mark.process
@pytest.mark.parametrize("how", ["signal", "seconds"])
@pytest.mark.parametrize("catches", ["no", "yes"])
def test_search_within_a_loss_does_not_take_the_interrupt_for_itself(how, catches, script, python, reports):
    path = script(f"""
        import signal, threading, time, propulate_like as pl
        begun = []
        def inner(y):
            begun.append(y)
            time.sleep(0.05)
            return y
        def outer(x):
            try:
                for _ in range(100):
                    pl.minimize(inner, {{"y": (0.0, 1.0)}}, evaluations=5, progress=False)
            except KeyboardInterrupt:
                if "{catches}" == "no":
                    raise
            return x
        def tell():
            while not begun:
                time.sleep(0.01)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        if "{how}" == "signal":
            threading.Thread(target=tell).start()
        words = {{"seconds": 0.5}} if "{how}" == "seconds" else {{"evaluations": 1}}
        result = pl.minimize(outer, {{"x": (0.0, 1.0)}}, evaluation={{"grace": 0}}, progress=False, **words)
        report(result.reason, result.evaluations, len(begun) < 50)
    """)
    python(path)
    assert reports() == [["interrupted" if how == "signal" else "seconds", "0", "True"]]


@pytest.mark.process
def test_signals_after_the_time_given_do_not_lengthen_its_grace(script, python, reports):
    path = script("""
        import signal, threading, time, propulate_like as pl
        def tell():
            for _ in range(2):
                time.sleep(0.5)
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        def loss(x):
            threading.Thread(target=tell).start()
            time.sleep(1000)
        result = pl.minimize(loss, {"x": (0.0, 1.0)}, seconds=0.1, evaluation={"grace": 500})
        report(result.reason, result.evaluations)
    """)
    python(path)
    assert reports() == [["seconds", "0"]]


CATCHING = """\
objective: loss.py:loss
space: {x: {float: [0, 1]}}
budget: {evaluations: 4}
evaluation: {grace: 0.2}
run: run
"""
CATCHES = """\
import os, time
def loss(x):
    try:
        while not os.path.exists("go"):
            time.sleep(0.01)
    except KeyboardInterrupt:
        pass
    return x
"""


@pytest.mark.mpi
@pytest.mark.every_mpi
@pytest.mark.parametrize("ranks", [1, 3])
def test_all_commands_show_what_caught_its_interrupt_as_unfinished(ranks, command, tmp_path):
    (tmp_path / "search.yaml").write_text(CATCHING, encoding="utf-8")
    (tmp_path / "loss.py").write_text(CATCHES, encoding="utf-8")
    words = [sys.executable, "-m", "propulate_like", "run", "search.yaml", "-n", str(ranks)]
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        begun = set()
        deadline = time.monotonic() + 60
        while len(begun) < ranks:
            assert time.monotonic() < deadline
            time.sleep(0.02)
            if (tmp_path / "run").exists():
                begun = {str(event.id) for _, event in read(tmp_path / "run") if isinstance(event, Started)}
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "0 evaluations in" in said
    known = json.loads(command("status", "run", "--json").stdout)
    assert set(known["running"]) == begun
    assert known["evaluations"] == 0
    assert f"unfinished   {', '.join(sorted(begun))}" in command("status", "run").stdout
    assert json.loads(command("results", "run", "--format", "json").stdout) == []
    command("export", "run", "table.csv", "--to", "csv")
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as file:
        assert not list(csv.DictReader(file)), "a table has what was evaluated"

    (tmp_path / "go").touch()
    command(*words[3:])
    ended = [str(event.id) for _, event in read(tmp_path / "run") if isinstance(event, Evaluated)]
    assert len(ended) == len(set(ended)) == 4
    assert begun <= set(ended)


OWN_HANDLER = """
    import os, signal, threading, time, propulate_like as pl

    continued, ended = False, []

    def handler(kind):
        return signal.default_int_handler if kind == "python's" else lambda number, frame: ended.append(number)

    def loss(x):
        if continued:
            return x
        before = signal.signal(number, handler(kind))
        threading.Timer(0.1, os.kill, (os.getpid(), number)).start()
        try:
            while not ended:
                time.sleep(0.001)
        except KeyboardInterrupt:
            pass
        if kind != "never put back":
            signal.signal(number, before)
        return x / 2

    def search():
        return pl.minimize(
            loss, {"x": (0.0, 1.0)}, evaluations=3, seed=1, run="run", evaluation={"grace": 30}, progress=False
        )
"""


@pytest.mark.process
@pytest.mark.parametrize(
    ("kind", "number"),
    [("python's", 2), ("a library's", 2), ("never put back", 2), ("a library's", 15)],
)
def test_signal_that_goes_to_a_handler_of_the_loss_leaves_its_evaluation_unfinished(
    kind, number, script, python, reports
):
    path = script(
        OWN_HANDLER
        + f"""
    kind, number = {kind!r}, {number}
    first = search()
    continued = True
    second = search()
    report(first.reason, first.evaluations, second.reason, second.evaluations)
    report(*(one.loss == one.params["x"] for one in second.individuals))
    """
    )
    python(path)
    assert reports() == [["interrupted", "0", "evaluations", "3"], ["True"] * 3]


@pytest.mark.process
def test_handler_that_never_ends_the_loss_is_broken_off_by_a_second_signal(script, python, reports):
    path = script("""
        import os, signal, threading, time, propulate_like as pl
        def loss(x):
            signal.signal(signal.SIGINT, lambda number, frame: None)
            for seconds in (0.1, 0.4):
                threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)).start()
            time.sleep(1000)
        result = pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=3, evaluation={"grace": 500}, progress=False)
        report(result.reason, result.evaluations)
    """)
    python(path)
    assert reports() == [["interrupted", "0"]]


@pytest.mark.process
def test_signal_of_a_process_that_the_loss_forks_is_not_the_search_s(script, python, reports):
    path = script("""
        import os, signal, time, propulate_like as pl
        def loss(x):
            pid = os.fork()
            if not pid:
                try:
                    os.kill(os.getpid(), signal.SIGINT)
                    time.sleep(10)
                finally:
                    os._exit(0)
            os.waitpid(pid, 0)
            time.sleep(0.05)
            return x
        result = pl.minimize(loss, {"x": (0.0, 1.0)}, evaluations=4, progress=False)
        report(result.reason, result.evaluations)
    """)
    python(path)
    assert reports() == [["evaluations", "4"]]


@pytest.mark.process
def test_program_s_own_descriptor_for_signals_is_left_to_it(script, python, reports):
    path = script("""
        import os, signal, propulate_like as pl
        read, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write)
        pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=4, progress=False)
        report(signal.set_wakeup_fd(-1) == write)
        def sets(x):
            signal.set_wakeup_fd(write)
            return x
        pl.minimize(sets, {"x": (0.0, 1.0)}, evaluations=4, progress=False)
        report(signal.set_wakeup_fd(-1) == write)
        pl.minimize(lambda x: x, {"x": (0.0, 1.0)}, evaluations=4, progress=False)
        report(signal.set_wakeup_fd(-1) == -1)
    """)
    python(path)
    assert reports() == [["True"], ["True"], ["True"]]
