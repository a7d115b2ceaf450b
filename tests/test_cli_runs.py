"""Commands that take a run somewhere, as a user types them."""

import subprocess
import sys
from pathlib import Path

import pytest

from typing_commands import run


@pytest.mark.slow
def test_export_prints_two_files_and_how_close_they_are(trained, tmp_path, capsys):
    assert run("export", trained.run, "--onnx", "--out", tmp_path / "onnx") == 0
    out, err = capsys.readouterr()
    assert [Path(line) for line in out.splitlines()] == [
        tmp_path / "onnx" / f"{part}coder.onnx" for part in ("en", "de")
    ]
    assert err.startswith("opset 20; within ")
    assert all(Path(line).is_file() for line in out.splitlines())


def test_encode_prints_the_file_alone(trained, tmp_path, capsys):
    assert run("encode", trained.run, "digits", "--out", tmp_path / "codes.csv", "--split", "test") == 0
    out, err = capsys.readouterr()
    assert (out.strip(), err) == (str(tmp_path / "codes.csv"), "")
    assert len((tmp_path / "codes.csv").read_text().splitlines()) == 1 + len(trained.data.test)


def test_encode_remarks_on_another_split(trained, tmp_path, capsys):
    assert run("encode", trained.run, "digits", "--out", tmp_path / "codes.csv", "--split-seed", "4") == 0
    assert "--split-seed sets the split" in capsys.readouterr().err


def test_generate_takes_several_settings_and_negative_values(trained, tmp_path, capsys):
    command = ("generate", trained.run, "--label", "3", "--set", "2=-1.5", "--set", "4=0", "--n", "2")
    assert run(*command, "--out", tmp_path / "s.csv") == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "s.csv")
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 3
    assert run("generate", trained.run, "--set", "2=-2:2:9") == 0
    assert capsys.readouterr().out.strip() == str(trained.run / "samples.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("export", "{run}"), "must be told the format: --onnx"),
        (("export", "{new}", "--onnx"), "No config.json"),
        (("encode", "{new}", "digits", "--out", "{new}.csv"), "No config.json"),
        (("encode", "{run}", "digits"), "--out"),
        (("encode", "{run}", "digist", "--out", "{new}.csv"), "Did you mean 'digits'?"),
        (("encode", "{run}", "digits", "--out", "{new}.txt"), "'out' of encode"),
        (("encode", "{run}", "digits", "--out", "{new}.csv", "--split", "tset"), 'Did you mean "test"?'),
        (("encode", "{run}", "digits", "--out", "{new}.csv", "--split-seed", "-1"), "'seed'"),
        (("generate", "{new}"), "No config.json"),
        (("generate", "{run}", "--label", "tree", "--out", "{new}.csv"), "Unknown class 'tree'"),
        (("generate", "{run}", "--set", "12", "--out", "{new}.csv"), "LATENT=VALUE"),
        (("generate", "{run}", "--set", "99=1", "--out", "{new}.csv"), "latents 0 … 15"),
        (("generate", "{run}", "--sett", "1=1", "--out", "{new}.csv"), "--set"),
        (("genrate", "{run}"), 'Did you mean "generate"?'),
    ],
)
def test_a_mistake_ends_in_one_line_and_exit_code_2(trained, tmp_path, capsys, arguments, message):
    assert run(*(argument.format(run=trained.run, new=tmp_path / "new") for argument in arguments)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1
    assert err.startswith("cospike: ")
    assert not list(tmp_path.iterdir())


def test_help_stays_light():
    heavy = (
        "torch",
        "sklearn",
        "numpy",
        "PIL",
        "onnx",
        "onnxruntime",
        "pyarrow",
        "huggingface_hub",
        "lightning_fabric",
    )
    program = f"import sys, cospike.entry; print([m for m in {heavy} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
