"""Signals during start-up, and at the very end."""

import pytest

from propulate_like.foundation import early_signals


def test_command_heeds_signals_before_it_loads_anything_else(script, python):
    """Until then Python itself answers Ctrl-C, with a traceback."""
    path = script("""
        import sys, _signal
        loaded = []
        class Recorder:
            def find_spec(self, name, path=None, target=None):
                if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
                    loaded.append(name)
        for name in [name for name in sys.modules if name in ("signal", "enum", "re", "pathlib", "types")]:
            del sys.modules[name]
        sys.meta_path.insert(0, Recorder())
        sys.argv[0] = "/usr/bin/propulate-like"
        import propulate_like
        print([name for name in loaded if name != "__future__"])
    """)
    early = ["propulate_like", "propulate_like.foundation", "propulate_like.foundation.early_signals"]
    assert python(path).stdout.strip() == str(early)


@pytest.mark.parametrize("number", early_signals.SIGNALS)
def test_signal_while_python_ends_does_not_change_the_exit_status(number, script, python):
    path = script(f"""
        import os, sys
        sys.argv[0] = "/usr/bin/propulate-like"
        import propulate_like
        class Last:
            def __del__(self, kill=os.kill, pid=os.getpid()):
                kill(pid, {number:d})
        last = Last()
    """)
    assert python(path, check=False).returncode == 0
