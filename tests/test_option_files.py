"""Options in files: what `--print-config` prints, `--config` takes, for every command."""

import shlex

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cospike.entry import app, main
from cospike.option_files import format_options, use_options

LINES = [
    "train mnist --out runs/x --hidden 3 4 --seed 0 --within 2.5 --compile --objective paper",
    "train flowers.csv --label 'of: a #kind' --out 'runs/a b'",
    "train --out 1",
    "compare digits --out runs/x --objectives vae vsc --resume",
    "benchmark --out runs/x --models vae --quick --seeds 3",
    "data",
    "data fetch fashion-mnist",
    "report runs/x --compare a b",
    "measure runs/x --group Sandal 'Ankle boot' --factors",
    "export runs/x --onnx",
    "encode runs/x digits --out z.csv --split test",
    "generate runs/x --set 12=-2:2:9 --set 3=0 --label 3",
    "push runs/x user/digits --private",
]


def bound(tokens, path=None):
    use_options(app, tokens, path)
    arguments = app.parse_args(tokens)[1]
    arguments.apply_defaults()
    return arguments


@pytest.mark.parametrize("line", LINES)
def test_a_command_does_the_same_with_its_options_from_a_file(line, tmp_path):
    tokens = shlex.split(line)
    (tmp_path / "options.yaml").write_text(format_options(app, tokens), encoding="utf-8")
    command = list(app.parse_commands(tokens)[0])
    assert bound(command, tmp_path / "options.yaml") == bound(tokens)


@example(label="\xa0", within=0.0, hidden=[1])
@example(label="two words " * 20, within=1e-300, hidden=[1])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    label=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1),
    within=st.floats(allow_nan=False, allow_infinity=False),
    hidden=st.lists(st.integers(-(10**19), 10**19), min_size=1, max_size=4),
)
@pytest.mark.slow
def test_any_value_comes_back(tmp_path, label, within, hidden):
    options = [f"--label={label}", f"--within={within!r}", *(f"--hidden={width}" for width in hidden)]
    tokens = ["train", "digits", "--out", "x", *options]
    (tmp_path / "options.yaml").write_text(format_options(app, tokens), encoding="utf-8")
    assert bound(["train"], tmp_path / "options.yaml") == bound(tokens)


def test_what_is_typed_comes_before_the_file(tmp_path):
    (tmp_path / "options.yaml").write_text("epochs: 3\nn_latents: 7\ndata: mnist\nout: a\n")
    arguments = bound(["train", "digits", "--epochs", "5"], tmp_path / "options.yaml").arguments
    assert (arguments["data"], arguments["options"].epochs, arguments["options"].n_latents) == ("digits", 5, 7)


def test_every_option_stands_in_the_file_with_what_it_means(capsys):
    main(["train", "mnist", "--print-config"])
    printed = capsys.readouterr().out
    assert yaml.safe_load(printed)["n_latents"] == 60
    assert "# out:  # The folder of the run" in printed  # must be given, and was not
    assert "# Model\n" in printed
    for argument in app["train"].assemble_argument_collection():
        assert not argument.show or f"{argument.name.removeprefix('--').replace('-', '_')}: " in printed


@pytest.mark.parametrize(
    "line", ["--print-config", "train --nlatents 3 --print-config", "train --epochs x --print-config"]
)
def test_what_no_command_takes_is_refused(line, capsys):
    with pytest.raises(SystemExit) as end:
        main(line.split())
    assert end.value.code == 2
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)


def test_a_file_without_options_changes_nothing(tmp_path):
    (tmp_path / "options.yaml").write_text("# nothing\n")
    assert bound(["data"], tmp_path / "options.yaml") == bound(["data"])
