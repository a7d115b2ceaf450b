"""Runs on the Hugging Face hub: `push_to_hub()`, and `load()` for a folder or an address such as ``hf://user/name``.

What is shared is what `cospike.runs` documents, but for the state that only a resumed training needs: no pickle, and
nothing else that lies in the folder. `manifest.json` has the size and the SHA-256 of every file, which `load` checks
before it reads one: a file that was damaged, exchanged or mixed with another version's is refused. Who can write to the
repository can write a manifest too: it says that files belong together, not whom they are from.
"""

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from cospike import runs
from cospike._errors import InputError
from cospike._extras import need
from cospike._reading import MAX_BINARY, parse_json, read_file, refuse_links
from cospike._version import __version__
from cospike.model import SparseVAE
from cospike.model_card import format_card

MANIFEST, CARD = "manifest.json", "README.md"
MANIFEST_VERSION = 1

WITH_SAMPLES = ("previews.npz", "report.html", "explorer.html")
"""Files that show samples of the data."""

_SHARED = tuple(
    name for name in runs.FILES if name not in ("state.safetensors", "samples.png", "samples.csv", "tracker.json")
)
_NEEDED = ("config.json", "weights.safetensors")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_ADDRESS = re.compile(rf"hf://({_NAME.pattern})(?:@(?!/|.*\.\.)([\w./-]+))?")  # no version has .., which is a way up


class _Address(NamedTuple):
    """A repository and, if it is not the newest that is meant, one of its versions."""

    repo_id: str
    revision: str | None


def load(run: str | Path) -> SparseVAE:
    """The model of a run, with its chosen weights and its class patterns.

    Args:
        run: its folder; or ``hf://user/name``, or ``hf://user/name@revision``, on the Hugging Face hub (the extra
            `hub`), from where it comes to the hub's cache, and is checked.

    Raises:
        InputError: if the folder is no run, a file in it is damaged, or the hub does not give it.
    """
    return runs.load(fetch_run(run) if isinstance(run, str) and run.startswith("hf:") else run)


def fetch_run(address: str) -> Path:
    """The folder, in the hub's cache, of the run at ``hf://user/name``, with every file checked against the manifest.

    Raises:
        InputError: if there is no such run, or it does not fit its manifest.
    """
    repo_id, revision = _parse(address)
    need("hub", ("huggingface_hub",), of=address)
    from huggingface_hub import snapshot_download  # noqa: PLC0415  # an extra

    _check_sizes(repo_id, revision, address)
    with _talking(f"Cannot get {address}"):
        folder = snapshot_download(
            repo_id,
            revision=revision,
            allow_patterns=[*_SHARED, MANIFEST],
            library_name="cospike",
            library_version=__version__,
        )
    _check(Path(folder), address)
    return Path(folder)


def _check_sizes(repo_id: str, revision: str | None, address: str) -> None:
    """Refuse what is too large to be read, before a disk is filled with it, as far as the hub tells."""
    from huggingface_hub import HfApi  # noqa: PLC0415  # an extra

    try:
        found = HfApi().get_paths_info(repo_id, [*_SHARED, MANIFEST], revision=revision)
    except Exception:  # whatever it is, the download itself meets it, or does with what the cache has
        return
    for one in found:
        if (size := getattr(one, "size", 0)) > MAX_BINARY:
            raise InputError(f"{address} must have files of at most {MAX_BINARY:,} bytes, got {size:,} in {one.path}.")


def push_to_hub(
    run: str | Path,
    repo_id: str,
    *,
    private: bool | None = None,
    samples: bool = True,
    license: str | None = None,  # noqa: A002  # as the hub calls it
) -> str:
    """Share a finished run on the Hugging Face hub, with a model card that is written from it.

    Who you are is what `hf auth login` or HF_TOKEN says. What another version of the run left there goes, in the
    same commit.

    Args:
        run: the folder of a finished run.
        repo_id: "user/name"; it is made if it is not there.
        private: whether it is made so that only you see it; default: as your account says.
        samples: with what shows samples of the data: the report, the explorer and the previews behind them. Codes and
            labels of held-out and training rows are shared in any case.
        license: of the model, by the hub's short name, such as "apache-2.0"; the card names none by default.

    Returns:
        The address, for `load`.

    Raises:
        InputError: if the folder is no finished run, the extra `hub` is missing, or the hub refuses.
    """
    if not isinstance(repo_id, str) or not _NAME.fullmatch(repo_id):
        raise InputError(f"'repo_id' of push_to_hub must be user/name, got {repo_id!r}.")
    need("hub", ("huggingface_hub",), of="push_to_hub")
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi  # noqa: PLC0415  # an extra

    address = f"hf://{repo_id}"
    contents = _contents(Path(run), address, samples=samples, license=license)
    api = HfApi(library_name="cospike", library_version=__version__)
    with _talking(f"Cannot push to {address}"):
        api.create_repo(repo_id, private=private, exist_ok=True)
        stale = set(api.list_repo_files(repo_id)) & {*_SHARED} - contents.keys()
        api.create_commit(
            repo_id,
            [
                *(CommitOperationAdd(name, content) for name, content in contents.items()),
                *(CommitOperationDelete(name) for name in sorted(stale)),
            ],
            commit_message=f"A run of cospike {__version__}",
        )
    return address


def _contents(run: Path, address: str, *, samples: bool, license: str | None) -> dict[str, bytes]:  # noqa: A002
    """All that is shared of a run, by name, with its manifest and its card."""
    runs.load(run)  # what cannot be loaded is not shared
    refuse_links(*sorted({run / "onnx", *(run / name for name in _SHARED)}))  # nor what lies elsewhere, as keys do
    names = [name for name in reversed(_SHARED) if samples or name not in WITH_SAMPLES]
    contents = {name: read_file(run / name, MAX_BINARY) for name in names if (run / name).is_file()}
    if "codes.npz" not in contents:  # the weights of an interrupted training are there already
        raise InputError(f"No codes.npz in {run}. Was the run finished? `--resume` goes on with it.")
    text = {name: contents[name].decode() for name in ("metrics.json", "factors.csv") if name in contents}
    try:
        card = format_card(
            runs.read_config(run),
            address=address,
            metrics=text.get("metrics.json"),
            factors=text.get("factors.csv"),
            files=list(contents),
            license=license,
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"metrics.json or factors.csv in {run} is damaged. `cospike measure` writes them.") from error
    return {**contents, MANIFEST: _manifest(contents), CARD: card.encode()}


def _manifest(contents: dict[str, bytes]) -> bytes:
    files = {name: {"size": len(part), "sha256": hashlib.sha256(part).hexdigest()} for name, part in contents.items()}
    manifest = {"schema_version": MANIFEST_VERSION, "cospike": __version__, "files": files}
    return (json.dumps(manifest, indent=2) + "\n").encode()


def _check(folder: Path, address: str) -> None:
    """Refuse a folder whose files are not those of its manifest."""
    files = _read_manifest(folder, address)
    for name in _NEEDED:
        if name not in files:
            raise InputError(f"{address} has no {name} in its {MANIFEST}. Is it a run of cospike?")
    if more := sorted(name for name in _SHARED if name not in files and (folder / name).exists()):
        raise InputError(f"{address} has {more[0]}, which is not in its {MANIFEST}. Push the run again.")
    for name, entry in files.items():
        path = folder / name
        if name not in _SHARED or not path.is_file():
            raise InputError(f"{address} has no {name}, which is in its {MANIFEST}. Push the run again.")
        if path.stat().st_size != entry["size"] or _sha256(path) != entry["sha256"]:
            raise InputError(
                f"{address} has another {name} than its {MANIFEST} says: it is damaged, or was exchanged. Delete "
                f"{folder} to fetch it anew, or push the run again."
            )


def _read_manifest(folder: Path, address: str) -> dict[str, dict[str, Any]]:
    try:
        manifest = parse_json(read_file(folder / MANIFEST))
        version, files = manifest["schema_version"], manifest["files"]
        sound = all(isinstance(entry["size"], int) and isinstance(entry["sha256"], str) for entry in files.values())
    except FileNotFoundError as error:
        raise InputError(f"{address} has no {MANIFEST}. Is it a run that cospike pushed?") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"The {MANIFEST} of {address} is damaged.") from error
    if version != MANIFEST_VERSION or not sound:
        raise InputError(f"The {MANIFEST} of {address} must have schema_version {MANIFEST_VERSION}, got {version!r}.")
    return dict(files)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parse(address: str) -> _Address:
    if not (found := _ADDRESS.fullmatch(address)):
        raise InputError(f"'run' of load must be a folder or hf://user/name, got {address!r}.")
    return _Address(found[1], found[2])


@contextmanager
def _talking(what: str) -> Iterator[None]:
    """Bars of progress for a terminal alone, and what goes wrong in one line of ours: the library's run over many."""
    from huggingface_hub import errors  # noqa: PLC0415  # an extra

    utils = import_module("huggingface_hub.utils")
    hide = not (sys.stderr.isatty() or utils.are_progress_bars_disabled())
    if hide:
        utils.disable_progress_bars()
    try:
        yield
    except errors.GatedRepoError as error:
        raise InputError(f"{what}: its owner has not given you access yet.") from error
    except errors.RepositoryNotFoundError as error:
        raise InputError(f"{what}: there is none, or not for you. `hf auth whoami` says who you are.") from error
    except errors.RevisionNotFoundError as error:
        raise InputError(f"{what}: it has no such version.") from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise InputError(f"{what}: the hub is not within reach, and the cache has none.") from error
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", None)
        fix = " `hf auth whoami` says who you are." if status in (401, 403) else ""
        raise InputError(f"{what}: the hub answers with status {status}.{fix}") from error
    except ValueError as error:  # such as a card that the hub does not take
        raise InputError(f"{what}: {' '.join(str(error).split())[:300]}") from error
    except Exception as error:  # a broken connection is an error of requests, httpx or httpx2, by the hub's version
        raise InputError(f"{what}: {type(error).__name__}. Is the hub within reach?") from error
    finally:
        if hide:
            utils.enable_progress_bars()
