"""Runs on a hub, as far as a stand-in on this machine speaks its API: what arrives, what comes back, what is refused.

The stand-in takes commits of files as the hub does those of small ones. Nothing may leave the machine: a connection to
any other address is an error.
"""

import base64
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs

import pytest
import torch
import yaml

import cospike as cs
from cospike import hub, runs
from cospike._errors import InputError
from cospike.entry import main
from cospike.evaluation import evaluate

pytestmark = pytest.mark.slow  # it trains, or loads what takes seconds

huggingface_hub = pytest.importorskip("huggingface_hub")
TOKEN = "hf_secretsecretsecret"


class StandIn(BaseHTTPRequestHandler):
    """Repositories as dictionaries, a commit each time they change."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, status=200, content=b"", headers=None):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for key, value in {"Content-Length": len(body), "Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(key, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, code):
        self.answer(status, {"error": code}, {"X-Error-Code": code})

    def read(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_POST(self):
        store, body = self.server.store, self.read()
        if store.status:
            return self.refuse(store.status, "Nothing")
        path = self.path.split("?")[0].strip("/").split("/")
        if path == ["api", "validate-yaml"]:
            if "license: nonsense" in json.loads(body)["content"]:
                return self.answer(400, {"errors": [{"message": '"license" must be a known one'}], "warnings": []})
            return self.answer(content={"errors": [], "warnings": []})
        store.tokens.add(self.headers.get("Authorization"))
        if path == ["api", "repos", "create"]:
            asked = json.loads(body)
            repo = f"{asked['organization']}/{asked['name']}"
            store.asked.append(asked)
            status = 409 if repo in store.repos else 200
            store.repos.setdefault(repo, {"README.md": b"old", ".gitattributes": b""})
            return self.answer(status, {"url": f"{store.url}/{repo}", "error": "exists"})
        repo = "/".join(path[2:4])
        if path[4] in ("preupload", "paths-info"):
            return self.tell(repo, path[4], body)
        assert path[4] == "commit"
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                store.repos[repo][value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "deletedFile":
                del store.repos[repo][value["path"]]
        store.n_commits += 1
        return self.answer(content={"commitUrl": f"{store.url}/{repo}/commit/x", "commitOid": store.sha(repo)})

    def tell(self, repo, of, body):
        """How files are to be sent, or how large they are."""
        if of == "paths-info":
            store, asked = self.server.store, parse_qs(body.decode())["paths"]
            known = store.repos.get(repo, {})
            return self.answer(content=[entry(name, known[name], store) for name in asked if name in known])
        files = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in json.loads(body)["files"]]
        return self.answer(content={"files": files})

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        store, path = self.server.store, self.path.split("?")[0].strip("/").split("/")
        if store.status:
            return self.refuse(store.status, "Nothing")
        repo = "/".join(path[2:4] if path[0] == "api" else path[:2])
        if repo not in store.repos:
            return self.refuse(404, "RepoNotFound")
        files = store.repos[repo]
        if path[0] != "api":
            content = files["/".join(path[4:])]
            etag = f'"{hashlib.sha256(content).hexdigest()}"'
            return self.answer(200, content, {"ETag": etag, "X-Repo-Commit": store.sha(repo)})
        if len(path) > 5 and path[5] not in ("main", store.sha(repo)):
            return self.refuse(404, "RevisionNotFound")
        if len(path) > 4 and path[4] == "tree":
            return self.answer(content=[entry(name, part, store) for name, part in files.items()])
        siblings = [{"rfilename": name} for name in files]
        return self.answer(content={"id": repo, "sha": store.sha(repo), "siblings": siblings})


def entry(name, content, store):
    size = store.sizes.get(name, len(content))
    return {"type": "file", "path": name, "size": size, "oid": hashlib.sha1(content).hexdigest()}


class Store(SimpleNamespace):
    def sha(self, repo):
        digest = hashlib.sha1()
        for name, content in sorted(self.repos[repo].items()):
            digest.update(name.encode() + content)
        return digest.hexdigest()


@pytest.fixture
def store(monkeypatch, tmp_path):
    """The stand-in, which the library takes for the hub; its cache is empty."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    server.daemon_threads = True
    server.store = Store(repos={}, asked=[], tokens=set(), status=0, n_commits=0, sizes={})
    server.store.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    constants = import_module("huggingface_hub.constants")
    monkeypatch.setattr(constants, "ENDPOINT", server.store.url)
    template = server.store.url + "/{repo_id}/resolve/{revision}/{filename}"
    for module in (constants, import_module("huggingface_hub.file_download")):  # older versions have it in both
        monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    connect = socket.socket.connect

    def only_here(self, address):
        assert address[0] == "127.0.0.1", f"a request was about to leave the machine, to {address}"
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", only_here)
    yield server.store
    huggingface_hub.close_session() if hasattr(huggingface_hub, "close_session") else None
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def original(trained, tmp_path_factory):
    """A measured run, with things in its folder that are nobody else's business."""
    run = tmp_path_factory.mktemp("measured") / "digits"
    shutil.copytree(trained.run, run)
    evaluate(run)
    (run / "report.html").write_text("<p>a report")
    (run / "explorer.html").write_text("<p>its live form")
    for name in ("notes.txt", "model.pkl", ".env", "samples.png"):
        (run / name).write_bytes(b"mine")
    return run


@pytest.fixture
def measured(original, tmp_path):
    """A copy of it, to be changed."""
    return Path(shutil.copytree(original, tmp_path / "digits"))


def test_a_run_goes_there_and_comes_back_the_same(measured, store):
    assert cs.push_to_hub(measured, "someone/digits", private=True) == "hf://someone/digits"
    files = store.repos["someone/digits"]
    assert files.keys() == {
        "config.json", "weights.safetensors", "history.jsonl", "codes.npz", "attributes.npz", "references.safetensors",
        "previews.npz", "metrics.json", "interventions.json", "factors.csv", "report.html", "explorer.html",
        "manifest.json", "README.md", ".gitattributes",
    }  # fmt: skip
    assert all(files[path.name] == path.read_bytes() for path in measured.iterdir() if path.name in files)
    assert len(store.asked) == 1
    assert store.asked[0].get("visibility") == "private" or store.asked[0].get("private") is True
    assert store.tokens == {f"Bearer {TOKEN}"}
    model, again = cs.load(measured), cs.load("hf://someone/digits")
    assert again.class_names == model.class_names
    for (name, weight), other in zip(model.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(weight, other), name
    folder = hub.fetch_run(f"hf://someone/digits@{store.sha('someone/digits')}")
    assert runs.read_config(folder) == runs.read_config(measured)
    assert not (folder / ".gitattributes").exists()
    assert evaluate(folder, write=False).metrics.keys() == evaluate(measured, write=False).metrics.keys()


def test_what_shows_samples_stays_at_home_if_asked_and_goes_from_there(measured, store):
    cs.push_to_hub(measured, "someone/digits")
    (measured / "attributes.npz").unlink()
    cs.push_to_hub(measured, "someone/digits", samples=False)
    gone = {"previews.npz", "report.html", "explorer.html", "attributes.npz"}
    assert not gone & store.repos["someone/digits"].keys()
    assert "codes.npz" in store.repos["someone/digits"]
    cs.load("hf://someone/digits")
    assert store.n_commits == 2


def test_the_card_tells_what_the_run_is(measured, store):
    cs.push_to_hub(measured, "someone/digits", license="apache-2.0")
    card = store.repos["someone/digits"]["README.md"].decode()
    _, head, body = card.split("---\n", 2)
    assert yaml.safe_load(head)["license"] == "apache-2.0"
    assert yaml.safe_load(head)["library_name"] == "cospike"
    assert {"cospike", "class-consistent"} <= set(yaml.safe_load(head)["tags"])
    assert 'cs.load("hf://someone/digits")' in body
    metrics = json.loads((measured / "metrics.json").read_text())
    for name, entry in metrics.items():
        assert f"| `{name}` | {entry['value']:.4g}" in body
    config = runs.read_config(measured)
    assert config["data"]["fingerprint"] in body
    factors = [line.split(",") for line in (measured / "factors.csv").read_text().splitlines()[1:]]
    assert all(f"| {row[0]} | {row[1]} |" in body for row in factors if row[1] != "dead")
    assert "## Limits" in body
    assert str(measured.parent) not in card


@pytest.mark.parametrize("name", ["weights.safetensors", "config.json", "codes.npz", "factors.csv"])
def test_a_file_that_is_not_what_the_manifest_says_is_not_read(measured, store, name):
    cs.push_to_hub(measured, "someone/digits")
    content = bytearray(store.repos["someone/digits"][name])
    content[-20] ^= 1
    store.repos["someone/digits"][name] = bytes(content)
    with pytest.raises(InputError, match=rf"hf://someone/digits has another {name} than its manifest\.json says"):
        cs.load("hf://someone/digits")


def test_a_file_that_is_damaged_in_the_cache_is_not_read(measured, store):
    cs.push_to_hub(measured, "someone/digits")
    weights = (hub.fetch_run("hf://someone/digits") / "weights.safetensors").resolve()
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match="has another weights"):
        cs.load("hf://someone/digits")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda files: files.pop("manifest.json"), r"has no manifest\.json"),
        (lambda files: files.update({"manifest.json": b"{"}), r"manifest\.json of .* is damaged"),
        (lambda files: files.update({"manifest.json": b"[]"}), "is damaged"),
        (lambda files: files.update({"manifest.json": b'{"schema_version": 1, "files": {"a": 3}}'}), "is damaged"),
        (lambda files: edit(files, {"schema_version": 2}), "schema_version 1, got 2"),
        (lambda files: edit(files, {"files": {}}), r"no config\.json in its manifest"),
        (lambda files: files.pop("codes.npz"), r"no codes\.npz, which is in"),
        (lambda files: files.update({"onnx/decoder.onnx": b"x"}), "has onnx/decoder.onnx, which is not in"),
        (lambda files: add(files, "../../../evil"), r"no \.\./\.\./\.\./evil, which is in"),
        (lambda files: add(files, "other.pkl"), r"no other\.pkl, which is in"),
    ],
)
def test_what_is_no_shared_run_is_refused_in_one_line(measured, store, change, message):
    cs.push_to_hub(measured, "someone/digits")
    change(store.repos["someone/digits"])
    with pytest.raises(InputError, match=message) as refusal:
        cs.load("hf://someone/digits")
    assert "\n" not in str(refusal.value)


def test_what_is_too_large_to_be_read_is_not_fetched(measured, store):
    cs.push_to_hub(measured, "someone/digits")
    store.sizes["weights.safetensors"] = 2**34
    with pytest.raises(InputError, match=r"at most 8,589,934,592 bytes, got 17,179,869,184 in weights\.safetensors"):
        cs.load("hf://someone/digits")
    assert not [*Path(import_module("huggingface_hub.constants").HF_HUB_CACHE).rglob("weights*")]


def edit(files, entries):
    files["manifest.json"] = json.dumps(json.loads(files["manifest.json"]) | entries).encode()


def add(files, name):
    manifest = json.loads(files["manifest.json"])
    manifest["files"][name] = {"size": 1, "sha256": "0"}
    edit(files, manifest)


def test_a_config_of_another_schema_is_refused_though_its_hash_is_right(measured, store):
    cs.push_to_hub(measured, "someone/digits")
    files = store.repos["someone/digits"]
    files["config.json"] = json.dumps(json.loads(files["config.json"]) | {"schema_version": 99}).encode()
    manifest = json.loads(files["manifest.json"])
    content = files["config.json"]
    manifest["files"]["config.json"] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    edit(files, manifest)
    with pytest.raises(InputError, match="schema_version"):
        cs.load("hf://someone/digits")


@pytest.mark.parametrize(
    "address",
    [
        "hf://digits",
        "hf:/a/b",
        "hf://a/b/c",
        "hf://a/../b",
        "hf://",
        "hf://a/b@",
        "hf://-a/b",
        "hf://a/b@../../c",
        "hf://a/b@/c",
    ],
)
def test_what_is_no_address_is_refused(store, address):
    with pytest.raises(InputError, match="folder or hf://user/name, got"):
        cs.load(address)


def test_what_the_hub_refuses_is_one_line_without_the_token(measured, store):
    with pytest.raises(InputError, match=r"^Cannot get hf://someone/none: there is none, or not for you"):
        cs.load("hf://someone/none")
    cs.push_to_hub(measured, "someone/digits")
    with pytest.raises(InputError, match="it has no such version"):
        cs.load("hf://someone/digits@v9")
    for status in (401, 403, 500):
        store.status = status
        with pytest.raises(InputError, match=f"^Cannot push to hf://someone/digits: .*({status}|none)") as refusal:
            cs.push_to_hub(measured, "someone/digits")
        assert TOKEN not in str(refusal.value)
        assert "\n" not in str(refusal.value)


def test_a_hub_out_of_reach_is_one_line_and_the_cache_serves(measured, store, monkeypatch):
    cs.push_to_hub(measured, "someone/digits")
    cs.load("hf://someone/digits")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setattr(
            import_module("huggingface_hub.constants"), "ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}"
        )
        cs.load("hf://someone/digits")
        for do in (lambda: cs.load("hf://someone/other"), lambda: cs.push_to_hub(measured, "someone/digits")):
            with pytest.raises(InputError, match="within reach") as refusal:
                do()
            assert "\n" not in str(refusal.value)


def test_a_card_that_the_hub_does_not_take_is_explained_in_one_line(measured, store):
    with pytest.raises(
        InputError, match=r'^Cannot push .*: Invalid metadata in README\.md\. - "license" must be a known'
    ):
        cs.push_to_hub(measured, "someone/digits", license="nonsense")
    assert store.n_commits == 0


@pytest.mark.parametrize("repo_id", ["digits", "a/b/c", "a/", "../b", ""])
def test_what_is_no_repository_is_refused(measured, repo_id):
    with pytest.raises(InputError, match="must be user/name"):
        cs.push_to_hub(measured, repo_id)


def test_what_lies_elsewhere_is_not_shared(measured, store, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(measured, run)
    (tmp_path / "key").write_text("secret")
    (run / "report.html").unlink()
    (run / "report.html").symlink_to(tmp_path / "key")
    with pytest.raises(InputError, match=r"report\.html must be a place of its own, got a link to .*key\."):
        cs.push_to_hub(run, "someone/digits")
    assert not store.repos


def test_an_unfinished_or_damaged_run_is_not_shared(measured, store):
    (measured / "metrics.json").write_text("{")
    with pytest.raises(InputError, match=r"metrics\.json or factors\.csv in .* is damaged"):
        cs.push_to_hub(measured, "someone/digits")
    (measured / "codes.npz").unlink()
    with pytest.raises(InputError, match=r"No codes\.npz"):
        cs.push_to_hub(measured, "someone/digits")
    assert store.repos == {}


def test_a_missing_extra_is_named_in_one_line(measured, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for do in (lambda: cs.load("hf://someone/digits"), lambda: cs.push_to_hub(measured, "someone/digits")):
        with pytest.raises(InputError, match=r"needs huggingface_hub, .* pip install 'cospike\[hub\]'\.$"):
            do()


@pytest.mark.slow
def test_the_command_reaches_the_hub_that_the_environment_names(measured, store, tmp_path):
    home = {"HF_ENDPOINT": store.url, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": TOKEN}
    command = [sys.executable, "-m", "cospike", "push", str(measured), "someone/digits", "--license", "mit"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **home}, check=True)
    assert done.stdout == "hf://someone/digits\n"
    assert TOKEN not in done.stdout + done.stderr
    program = "import cospike as cs; print(cs.load('hf://someone/digits').n_latents)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ, **home}, check=True
    )
    assert done.stdout == "16\n"
    assert any(path.name == "weights.safetensors" for path in (tmp_path / "home").rglob("*"))


def test_the_command_prints_the_address_alone(measured, store, capsys):
    main(["push", str(measured), "someone/digits", "--private", "--without-samples"])
    assert capsys.readouterr() == ("hf://someone/digits\n", "")
    assert "previews.npz" not in store.repos["someone/digits"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("{run}", "digits"), "must be user/name"), (("{run}x", "a/b"), "No config.json"), (("{run}",), "--repo")],
)
def test_a_mistake_is_one_line_and_exit_code_2(measured, store, capsys, arguments, message):
    with pytest.raises(SystemExit) as exit_:
        main(["push", *(argument.format(run=measured) for argument in arguments)])
    assert exit_.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_folder_loads_as_before(trained):
    for run in (trained.run, str(trained.run)):
        assert cs.load(run).n_latents == 16
    with pytest.raises(InputError, match=r"No config\.json"):
        cs.load(Path("hf:") / "a")
