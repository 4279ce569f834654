"""Shell commands: a value is one word, or its placeholder is refused; the shell never runs what a value says."""

import re
import shutil
import subprocess
from random import Random

import pytest

import propulate_like as pl
from propulate_like.evaluation.shell_text import unsafe_places
from propulate_like.search.config import Config, ConfigError

PLACEHOLDER = re.compile(r"\{([\w.]+)\}")
SPACE = {"a": pl.Choice("1", "2")}
HOSTILE = [
    "$(touch stolen)",
    "`touch stolen`",
    "';touch stolen;'",
    '";touch stolen;"',
    '"$(touch stolen)"',
    "'$(touch stolen)'",
    "\ntouch stolen\n",
    "\nEOF\ntouch stolen\n",
    "x;touch stolen;#",
    "\\`touch stolen\\`",
    "$(touch stolen)\\",
    "`echo \\`touch stolen\\``",
    "}$(touch stolen)",
    "))$(touch stolen)",
    "x[$(touch stolen)]",
]
FRAGMENTS = [
    "{a}", "{a}", "{a} ", " {a}", '"', "'", "`", "\\", "$", "$(", ")", "$((", "))", "${x:-", "}", "#", " # ", "\n",
    "<<EOF\n", "<<-'EOF'\n", "\nEOF\n", "echo ", "; ", " | ", "x=", "(", "<<<", " && ", "$'", '$"', "\\'", "cat ", "1",
    "((", "$[", "]", "; [[ ", " -eq 1", " ]]", "\nx[", "]=",
]  # fmt: skip


def places(text):
    return [place for _, place in unsafe_places(text, list(PLACEHOLDER.finditer(text)))]


def check(text, space=SPACE):
    pl.Command(text, shell=True).check(pl.Space.of(space))


@pytest.mark.parametrize(
    "text",
    [
        "echo {a}",
        "python3 p.py --a={a} '{' \"}\" {a}",
        'x="$(python3 p.py {a})"; echo "$x"',
        "x=$(echo 'a b' {a}) && echo {a}",
        "echo \\\\{a}",
        'echo "it\'s" {a}',
        "echo a#b {a} # a comment\necho {a}",
        "cat <<EOF\n$x 'open\nEOF\necho {a}",
        "cat <<-'END X'\n\t`\n\tEND X\necho {a}",
        "echo $((1 << 2)) {a}",
        "(cd x; echo {a})",
        "[[ -f x ]] && echo {a}",
        "ls x[{a}] x[ab] x={a}",
        "[ {a} = 1 ] && echo [[{a}]]",
        "case {a} in x) echo {a};; esac",
        "echo `date` ${x:-'}'} {a}",
        "printf '%s' {a} > \"$PROPULATE_LIKE_DIRECTORY/word\"",
    ],
)
def test_placeholder_where_the_shell_reads_words_is_taken(text):
    assert places(text) == []
    check(text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('python3 p.py "{a}"', "double quotes"),
        ("python3 p.py '{a}'", "quotes"),
        ("python3 p.py --x='{a}'", "quotes"),
        ('echo "x {a}', "double quotes"),
        ("echo `echo {a}`", "backticks"),
        ("echo `echo $(echo {a})`", "backticks"),
        ('echo "$(echo "{a}")"', "double quotes"),
        ("sh -c 'echo {a}'", "quotes"),
        ("echo ${{a}}", "${...}"),
        ("echo ${x:-{a}}", "${...}"),
        ('echo "${x:-{a}}"', "${...}"),
        ("echo ${a}", "${...}"),
        ("echo $(( {a} * 2 ))", "$((...))"),
        ("echo 1 # {a}", "a comment"),
        ("cat <<EOF\n{a}\nEOF", "a here-document"),
        ("cat <<'EOF'\n{a}\nEOF", "a here-document"),
        ("cat <<-EOF\n\t{a}\n\tEOF\n", "a here-document"),
        ("cat <<{a}\n", "a here-document"),
        ("cat <<EOF\nx\x0cEOF\n{a}\nEOF\n", "a here-document"),
        ("cat <<EOF\nx\\\nEOF\n{a}\nEOF", "a here-document"),
        ("cat <<EOF\nE\\\nOF\n{a}\nEOF", "a here-document"),
        ("cat <<EOF\nx\\\\\nEOF\necho `{a}`", "backticks"),
        ("echo \\{a}", "a word with a \\ before it"),
        ("echo \\\\\\{a}", "a word with a \\ before it"),
        ("echo $'{a}'", "or after $'...', of which shells do not see the same end"),
        ("(( {a} > 1 ))", "or after ((, of which shells do not see the same end"),
        ("for ((i={a}; i < 3; i++)); do echo $i; done", "or after ((, of which shells do not see the same end"),
        ("((echo 1)); echo {a}", "or after ((, of which shells do not see the same end"),
        ("echo $[{a}]", "or after $[, of which shells do not see the same end"),
        ('echo "$[1]" {a}', "or after $[, of which shells do not see the same end"),
        ("[[ {a} -eq 1 ]] && echo 1", "[[ ... ]]"),
        ("if ! [[ -n ' ]]' && {a} -eq 1 ]]; then echo 1; fi", "[[ ... ]]"),
        ("x[{a}]=1; echo 1", "a subscript"),
        ("echo 1; x[0{a}]+=1", "a subscript"),
        ("x[y[0]\n{a}]=1", "a subscript"),
        ("echo $'x' {a}", "or after $'...', of which shells do not see the same end"),
    ],
)
def test_placeholder_elsewhere_is_refused_and_told_what_to_write(text, place):
    assert places(text) == [place]
    message = (
        f"command: {{a}} is inside {place}, where the shell may run parts of its value: write {{a}} without quotes"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        check(text)
    with pytest.raises(ValueError, match=re.escape(message)):
        pl.minimize(pl.Command(text, shell=True), SPACE, evaluations=1)


def test_check_refuses_what_run_would(tmp_path):
    path = tmp_path / "x.yaml"
    for command, space, message in (
        ("'echo \"{a}\"', shell: true", "[x]", "objective.command: {a} is inside double quotes"),
        ('["echo", "{a}\\0"]', "[x]", "objective.command: ['echo', '{a}\\x00'] has a NUL character"),
        (
            '["echo", "{a}"], folder: "a\\0b"',
            "[x]",
            "objective.folder: 'a\\x00b' cannot be a path: it has a NUL character",
        ),
        ('["echo", "{a}"], result: "a\\0b"', "[x]", "result: 'a\\x00b' has a NUL character"),
        ('["echo", "{a}"]', '[x, "y\\0z"]', "space.a: 'y\\x00z' has a NUL character, which no command can receive"),
    ):
        path.write_text(
            f"objective: {{command: {command}}}\nspace: {{a: {{choice: {space}}}}}\nbudget: {{evaluations: 1}}\n"
        )
        with pytest.raises(ConfigError, match=re.escape(message)) as refused:
            Config.read(str(path))
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "value", [*HOSTILE, "", "-n", "a b", "*", "~", "2", "=", "it's", "é\u00a0\u2028", "\\", "\t\r\n"]
)
def test_a_value_reaches_the_program_as_it_is(value, tmp_path):
    text = "printf %s {a} >word; printf '%s' \"$(printf %s {a}; echo .)\" > inner"
    (words,) = pl.Command(text, shell=True).filled({"a": value}, [])
    subprocess.run(["/bin/sh", "-c", words], cwd=tmp_path, check=True)
    assert (tmp_path / "word").read_bytes().decode() == value
    assert (tmp_path / "inner").read_bytes().decode() == f"{value}."
    assert {path.name for path in tmp_path.iterdir()} == {"word", "inner"}


def test_a_number_before_a_redirection_is_a_word(tmp_path):
    (words,) = pl.Command("echo {n}>out", shell=True).filled({"n": "2"}, [])
    subprocess.run(["/bin/sh", "-c", words], cwd=tmp_path, check=True)
    assert (tmp_path / "out").read_text() == "2\n"


@pytest.mark.parametrize("shell", ["sh", "bash", "ksh", "zsh"])
@pytest.mark.parametrize("cases", [150, pytest.param(3000, marks=pytest.mark.slow)])
def test_no_shell_runs_a_value_in_any_text_that_is_taken(shell, cases, tmp_path):
    """Texts of random fragments, valid or not."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    generator = Random(cases)
    taken = 0
    while taken < cases:
        text = "echo " + "".join(generator.choices(FRAGMENTS, k=generator.randint(1, 9)))
        if "{a}" not in text or places(text):
            continue
        taken += 1
        (words,) = pl.Command(text, shell=True).filled({"a": generator.choice(HOSTILE)}, [])
        flag = ["--emulate", "sh"] if shell == "zsh" else []
        subprocess.run(
            [shell, *flag, "-c", words],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert not (tmp_path / "stolen").exists(), (text, words)
