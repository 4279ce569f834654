"""Signals during start-up."""


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
