"""What is handed out: the wheel and the source archive, and what they do where nothing else of ours is.

The wheel is installed without its dependencies into an environment that sees those of the tests: that no other file is
needed can be told so, in seconds. CONTRIBUTING.md says what was tried in environments that had nothing.
"""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from email import message_from_bytes
from importlib.metadata import packages_distributions
from pathlib import Path
from types import SimpleNamespace

import pytest

import cospike

pytestmark = pytest.mark.slow

HOME = Path(__file__).parent.parent
PAGE = "cospike/static/explorer.html"
SOURCE = HOME / "src" / "cospike"
PROJECT = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["project"]

NEEDS = {
    "alembic": ("mlflow", "train digits --out other --logger mlflow"),
    "anndata": ("anndata", "train cells.h5ad --label y --out cells"),
    "huggingface_hub": ("hub", "push run you/digits"),
    "mlflow": ("mlflow", "train digits --out other --logger mlflow"),
    "onnx": ("onnx", "export run --onnx"),
    "onnxruntime": ("onnx", "export run --onnx"),
    "onnxscript": ("onnx", "export run --onnx"),
    "optuna": ("sweep", "sweep digits --trials 1"),
    "pandas": ("tables", "train rows.csv --label y --out rows"),
    "psycopg": ("sweep-postgresql", "sweep digits --trials 1 --storage postgresql://localhost/none"),
    "pyarrow": ("tables", "encode run digits --out codes.parquet"),
    "sqlalchemy": ("sweep", "sweep digits --trials 1"),
    "tensorboard": ("tensorboard", "train digits --out other --logger tensorboard"),
    "wandb": ("wandb", "train digits --out other --logger wandb"),
}
"""What an extra brings, by the name it is imported by: the extra, and a command that cannot do without."""

WITHOUT_EXTRAS = """
import contextlib, io, json, sys
import cospike
from cospike.entry import main

cases = json.loads(sys.argv[1])
sys.modules |= dict.fromkeys(cases)
said = {"names": len([getattr(cospike, name) for name in cospike.__all__])}
for module in cases:
    del sys.modules[module]
for module, command in cases.items():
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == module}
    sys.modules[module] = None
    with contextlib.redirect_stderr(io.StringIO()) as errors:
        try:
            said[module] = (main(command.split()), errors.getvalue())
        except SystemExit as exit_:
            said[module] = (exit_.code, errors.getvalue())
    del sys.modules[module]
    sys.modules |= kept
print(json.dumps(said))
"""
"""Loads every public name without all of them, then asks for each without it."""


def requirement(text):
    """The name of a requirement, as the import systems of old and new spell it."""
    return re.match(r"[\w.-]+", text)[0].replace("-", "_").lower().removesuffix("_skinny")  # a part of MLflow


def build(*options, of, into):
    command = [sys.executable, "-m", "build", "--no-isolation", *options, "--outdir", into, of]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def members(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The source archive, a wheel made from it, and one made from the working copy."""
    folder = tmp_path_factory.mktemp("dist")
    build(of=HOME, into=folder)
    build("--wheel", of=HOME, into=folder / "direct")
    (archive,), (wheel,), (direct,) = (folder.glob(which) for which in ("*.tar.gz", "*.whl", "direct/*.whl"))
    return SimpleNamespace(archive=archive, wheel=wheel, direct=direct, files=members(wheel))


@pytest.fixture(scope="module")
def metadata(built):
    (content,) = (content for name, content in built.files.items() if name.endswith(".dist-info/METADATA"))
    return message_from_bytes(content)


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """Runs a program of an environment that has the wheel, in an empty folder that later ones find as it was left."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, symlinks=os.name != "nt")
    scripts = home / ("Scripts" if os.name == "nt" else "bin")
    pip = [sys.executable, "-m", "pip", "--python", scripts / "python", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--no-deps", "--no-index", built.wheel], check=True)
    place = {"base": str(home), "platbase": str(home)}
    # Only now: pip takes what it sees of another cospike for this one.
    pth = Path(sysconfig.get_path("purelib", scheme="venv", vars=place), "dependencies.pth")
    pth.write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    folder, cache = tmp_path_factory.mktemp("elsewhere"), tmp_path_factory.mktemp("cache")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COSPIKE"))}
    environment |= {"COSPIKE_CACHE_DIR": str(cache), "OMP_NUM_THREADS": "1"}

    def run(program, *arguments):
        command = [scripts / program, *arguments]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    return SimpleNamespace(run=run, home=home, folder=folder)


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(built):
    theirs = {name for name in built.files if not name.split("/")[0].endswith(".dist-info")}
    ours = {path for path in SOURCE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert theirs == {path.relative_to(SOURCE.parent).as_posix() for path in ours}
    assert {"cospike/py.typed", "cospike/templates/report.html.j2", "cospike/templates/report.css"} <= theirs
    (licence,) = (content for name, content in built.files.items() if name.endswith("/licenses/LICENSE"))
    assert licence == (HOME / "LICENSE").read_bytes()


def test_nothing_that_others_made_is_bundled(built):
    """But for what NOTICE names, in the explorer's page. A font, a data set or a script would be a long line."""
    for name, content in built.files.items():
        if name.startswith("cospike/") and name != PAGE:
            assert Path(name).suffix in {".py", ".j2", ".css", ".typed"}, name
            assert b"@font-face" not in content, name
            assert not re.search(rb"[A-Za-z0-9+/]{500}", content), f"{name} has data in it"
    notice = (HOME / "NOTICE").read_bytes()
    assert notice in built.files.get(PAGE, notice)
    packages = json.loads((HOME / "explorer" / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert len(packages) == 3
    assert all(f" {version} ".encode() in notice for version in packages.values())  # the notice is of what is built


def test_nothing_of_this_machine_is_in_either(built):
    with tarfile.open(built.archive) as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}
        assert {(member.uname, member.gname, member.uid) for member in archive} == {("", "", 0)}
    # What ONNX Runtime calls the home of a page that has no files (Emscripten's) is of no machine.
    here = re.compile(rb"/(?:home/(?!web_user)|root/|Users/|work/)\w|" + re.escape(str(HOME).encode()))
    for name, content in (files | built.files).items():
        if Path(name).name != Path(__file__).name:
            assert not here.search(content), (name, here.search(content))


def test_the_archive_holds_what_is_named_and_gives_the_same_wheel(built):
    with tarfile.open(built.archive) as archive:
        names = [Path(member.name).parts[1:] for member in archive if member.isfile()]
    assert {parts[0] for parts in names} == {
        *("src", "explorer", "tests", "docs", "benchmarks", "torture", "pyproject.toml", "PKG-INFO", ".gitignore"),
        *("CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "Makefile", "NOTICE", "README.md"),
        "constraints.txt",
    }
    assert ("tests", Path(__file__).name) in names
    assert not any({"__pycache__", "runs", "node_modules"} & set(parts) for parts in names)
    assert {("explorer", "package.json"), ("explorer", "package-lock.json"), ("explorer", "build.mjs")} <= set(names)
    built_here = (SOURCE / "static" / "explorer.html").is_file()
    assert (("src", *Path(PAGE).parts) in names, PAGE in built.files) == (built_here, built_here)
    assert members(built.direct) == built.files


def test_metadata_say_what_is_so(metadata):
    assert (metadata["Name"], metadata["Version"]) == ("cospike", cospike.__version__)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["License-File"] == "LICENSE"
    versions = [
        tuple(map(int, found[1].split(".")))
        for text in metadata.get_all("Classifier")
        if (found := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", text))
    ]
    assert metadata["Requires-Python"] == ">={}.{}".format(*min(versions))
    assert sys.version_info[:2] in versions
    assert set(metadata.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])
    assert not metadata.get_all("Project-URL"), "it has no home on the web yet: put it here once it has one"
    assert metadata.get_payload().startswith("# cospike")


def test_what_is_imported_is_required_and_what_is_required_is_imported():
    trees = [ast.parse(path.read_bytes()) for path in SOURCE.rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    outside = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"cospike"}
    distributions = packages_distributions()
    imported = {requirement(distributions[name][0]) for name in outside}
    extras = [text for texts in PROJECT["optional-dependencies"].values() for text in texts]
    by_name = {"onnxscript", "tensorboard", "pandas"}  # of torch.onnx and Fabric; `table_files.need` imports the last
    by_name |= {"psycopg", "alembic"}  # of SQLAlchemy, by what is in an address; and of MLflow
    assert imported | by_name == set(map(requirement, PROJECT["dependencies"] + extras))


def test_the_installed_package_is_the_one_that_is_imported(installed):
    shown = installed.run("python", "-c", "import cospike; print(cospike.__file__)")
    assert Path(shown.stdout.strip()).is_relative_to(installed.home), shown.stderr
    assert installed.run("cospike", "--version").stdout.strip() == cospike.__version__


def test_it_trains_and_reports_and_only_what_an_extra_is_for_needs_it_and_names_it(installed):
    """One test, since the second half takes the run of the first somewhere."""
    done = installed.run("cospike", *shlex.split("train digits --out run --epochs 1 --n-latents 8"))
    assert done.returncode == 0, done.stderr
    assert (installed.folder / "run" / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")

    extras = PROJECT["optional-dependencies"]
    always = set(map(requirement, PROJECT["dependencies"]))  # of which an extra may ask for a newer version
    brought = {(extra, requirement(text)) for extra, texts in extras.items() for text in texts}
    assert brought >= {(extra, module) for module, (extra, _) in NEEDS.items()}
    assert {module for _, module in brought} - always == {*NEEDS}, "a command for each, please"
    (installed.folder / "cells.h5ad").touch()
    (installed.folder / "rows.csv").write_text("a,y\n1,u\n2,v\n", encoding="utf-8")
    cases = {module: command for module, (_, command) in NEEDS.items()}
    shown = installed.run("python", "-c", WITHOUT_EXTRAS, json.dumps(cases))
    assert shown.returncode == 0, shown.stderr
    said = json.loads(shown.stdout.splitlines()[-1])
    assert said.pop("names") == len(cospike.__all__)
    for module, (code, errors) in said.items():
        assert code == 2, (module, errors)
        (line,) = errors.splitlines()
        assert line.startswith("cospike: "), line
        assert module in line, line
        assert f"pip install 'cospike[{NEEDS[module][0]}]'" in line, line
