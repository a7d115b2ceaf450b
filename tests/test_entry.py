"""What holds of every command: help that can be typed, JSON for programs, a pipe without colours, completion."""

import json
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from cospike.entry import app, main

COMMANDS = ["train", "compare", "benchmark", "data", "data fetch", "report", "explore", "measure", "export", "encode",
            "generate", "push", "reproduce", "sweep"]  # fmt: skip


def help_of(command, capsys):
    main([*command.split(), "--help"])
    return capsys.readouterr().out


def examples(command):
    """Lines of the help that can be typed."""
    text = app.parse_commands(command.split())[1][-1].default_command.__doc__
    return [
        line.strip()
        for block in re.findall(r"```\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
        if line.strip()
    ]


def test_these_are_all_commands():
    found = [name for name in app if not name.startswith("-")]
    assert sorted(found) == sorted({command.split()[0] for command in COMMANDS})


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_by_examples_that_parse(command, capsys):
    shown = " ".join(help_of(command, capsys).split())
    lines = examples(command)
    assert lines
    for line in lines:
        assert line in shown
        name, *tokens = shlex.split(re.sub(r" --json| --config \S+", "", line))  # which every command takes
        assert name == "cospike"
        app.config = ()
        app.parse_args(tokens, exit_on_error=False, print_error=False)
    assert "--json" in shown


def test_the_exit_codes_are_told(capsys):
    shown = help_of("", capsys)
    assert all(re.search(rf"\b{code} ", shown) for code in (0, 1, 2, 130, 141))


@pytest.mark.slow
def test_every_command_prints_json(trained, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("cospike.hub.push_to_hub", lambda run, repo, **settings: f"hf://{repo}")
    monkeypatch.setattr("cospike.sources.fetch_dataset", lambda name, say: tmp_path / name)
    monkeypatch.setattr("cospike.html_explorer.explore", lambda run, out: run / "config.json")
    from cospike.reproduction.studies import quick_studies

    one = [study for study in quick_studies() if study.place.model == "vsc-no-warm-up"]
    monkeypatch.setattr("cospike.reproduction.studies.quick_studies", lambda: one)
    run = shutil.copytree(trained.run, tmp_path / "run")
    quick = "--epochs 1 --n-latents 4 --hidden 8 --accelerator cpu"
    lines = {
        f"train digits --out {tmp_path}/one {quick}": {"report", "runs", "measures"},
        f"compare digits --out {tmp_path}/two --objectives vae vsc {quick}": {"report", "runs", "measures"},
        f"benchmark digits --quick --models vae --seeds 1 --out {tmp_path}/b": {"page", "runs", "failed"},
        f"reproduce --quick --out {tmp_path}/r": {"page", "runs", "failed", "claims"},
        f"sweep digits --trials 1 --out {tmp_path}/s {quick}": {
            "objectives",
            "asked",
            "trials",
            "frontier",
            "best",
            "config",
        },
        "data": {"datasets"},
        "data fetch mnist": {"folder"},
        f"report {run}": {"report"},
        f"explore {run}": {"explorer"},
        f"measure {run}": {"measures", "factors", "directions"},
        f"export {run} --onnx": {"encoder", "decoder", "opset", "difference"},
        f"encode {run} digits --out {tmp_path}/z.npz": {"codes"},
        f"generate {run} --out {tmp_path}/s.png": {"samples"},
        f"push {run} user/digits": {"address"},
    }
    assert {line.partition(" --")[0].split()[0] for line in lines} == {command.split()[0] for command in COMMANDS}
    for line, names in lines.items():
        main([*line.split(), "--json"])
        told = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
        assert set(told) == names, line


@pytest.mark.slow
def test_a_pipe_gets_no_colours_and_no_progress(trained):
    for arguments in (("--help",), ("train", "--help"), ("data",), ("measure", trained.run, "--factors")):
        done = subprocess.run([sys.executable, "-m", "cospike", *arguments], capture_output=True, check=True)
        assert b"\x1b" not in done.stdout + done.stderr
        assert b"\r" not in done.stderr


@pytest.mark.slow
def test_who_stops_reading_ends_the_command_quietly(trained):
    command = [sys.executable, "-m", "cospike", "measure", trained.run, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.wait(60) == 141
        assert process.stderr.read() == b""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_options(shell):
    script = app.generate_completion(shell=shell)
    assert all(name in script for name in ("train", "measure", "n-latents", "class-consistent"))


def test_completion_is_installed_where_the_shell_looks(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/bash")
    main(["--install-completion", "--shell", "bash"])
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("n-latents" in path.read_text() for path in written), capsys.readouterr()


def test_a_shell_that_is_none_is_refused(monkeypatch, capsys):
    from cyclopts.completion import detect

    def nothing():
        raise detect.ShellDetectionError

    monkeypatch.setattr(detect, "detect_shell", nothing)
    with pytest.raises(SystemExit) as end:
        main(["--install-completion"])
    assert end.value.code == 2
    assert "Name one: --shell bash, zsh or fish" in capsys.readouterr().err
