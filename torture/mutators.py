"""Mutations that keep a format: what random bytes would break at once is broken further in.

Each takes bytes and a random generator and gives bytes; what they cannot parse goes to libFuzzer's own mutations.
"""

import gzip
import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

Havoc = Callable[[bytes], bytes]

_RAW = (  # JSON as text, for what `json.dumps` would not write
    "NaN", "-Infinity", "1e999", "-1e999", "9" * 5000, "-" + "9" * 19, "1e-400", "0.1e1", "-0", '"\\ud800"',
    '"\\u0000"', '"\\u202e=1+1"', '"' + "a" * 2000 + '"', "[" * 40 + "]" * 40, "[" * 3000 + "]" * 3000,
    '{"a":1,"a":2}', "true", "null", '"5"',
    "[]", "{}", "[[]]", "1000000000000", "-1", "0", "2147483648", "1.5", '"<script>"', '"../../x"', "[1e9]",
)  # fmt: skip
_YAML = (
    "&a [*a, *a]", "*a", "!!python/object/apply:os.system ['true']", "!!binary '='", "!!int ''", "!!float x",
    "!!timestamp x", "!!bool x", "2001-99-99", "2001-01-01", "0x_", "0b_", "1:99:99", "9" * 5000, ".inf", "-.nan", "~",
    "<<: {epochs: 1}", "? [a, b]", "[" * 500, "{a: {b: {c: {d: 1}}}}", "|\n  x", "%TAG ! tag:", "--- 1\n--- 2", "\t",
    "epochs: 3", "hidden: [1, 2]", "seed: -1", "precision: x", "objective: vsc", "config: x", "help: true",
    "distance: ",
    "n_latents: [[1]]", "out: /", "yes", "''", '"\\ud800"', "\ufeff", "version: true", "resume: {a: 1}", "data: [a, b]",
)  # fmt: skip


def mutate_json(content: bytes, rng: random.Random, havoc: Havoc) -> bytes:
    """A value changed, added, dropped or doubled."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return havoc(content)
    if rng.random() < 0.2:
        return havoc(content)
    raw: list[str] = []
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        value = _changed(value, rng, raw)
    text = json.dumps(value)
    for i, part in enumerate(raw):
        text = text.replace(f'"@raw{i}@"', part)
    return text.encode("utf-8", "surrogatepass")


def _changed(value: Any, rng: random.Random, raw: list[str]) -> Any:
    action = rng.random()
    if isinstance(value, dict) and value and action < 0.9:
        name = rng.choice(list(value))
        if action < 0.08:
            value = {key: part for key, part in value.items() if key != name}
        elif action < 0.14:
            value = value | {rng.choice(("x", "", "=1", "<b>", name + " ")): value[name]}
        else:
            value = value | {name: _changed(value[name], rng, raw)}
        return value
    if isinstance(value, list) and value and action < 0.85:
        i = rng.randrange(len(value))
        copies = 0 if action < 0.1 else rng.choice((2, 3, 100)) if action < 0.2 else 1
        part = value[i] if copies != 1 else _changed(value[i], rng, raw)
        return [*value[:i], *[part] * copies, *value[i + 1 :]]
    raw.append(rng.choice(_RAW))
    return f"@raw{len(raw) - 1}@"


def mutate_lines(content: bytes, rng: random.Random, havoc: Havoc) -> bytes:
    """JSON lines: one of them changed, doubled or dropped."""
    lines = content.split(b"\n")
    i = rng.randrange(len(lines))
    action = rng.random()
    if action < 0.1:
        lines.insert(i, lines[i])
    elif action < 0.2:
        del lines[i]
    else:
        lines[i] = mutate_json(lines[i], rng, havoc) if lines[i] else havoc(b"{}")
    return b"\n".join(lines)


def mutate_safetensors(content: bytes, rng: random.Random, havoc: Havoc) -> bytes:
    """The header changed, its length right."""
    size = int.from_bytes(content[:8], "little")
    if rng.random() < 0.25 or not 0 < size <= len(content) - 8:
        return havoc(content)
    header, values = content[8 : 8 + size], content[8 + size :]
    action = rng.random()
    if action < 0.6:
        header = mutate_json(header, rng, havoc)
    elif action < 0.8:
        header = havoc(header)
    else:
        values = havoc(values)
    if rng.random() < 0.8:
        header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + values


def mutate_archive(content: bytes, rng: random.Random, havoc: Havoc) -> bytes:
    """A member of an `.npz` changed, renamed, doubled, dropped or compressed; its checksum right."""
    if rng.random() < 0.2:
        return havoc(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
        i = rng.randrange(len(members))
    except Exception:  # whatever it is, it is no archive any more
        return havoc(content)
    name, data = members[i]
    action = rng.random()
    if action < 0.4:
        members[i] = (name, havoc(data[:128]) + data[128:])
    elif action < 0.6:
        members[i] = (name, data[:128] + havoc(data[128:]))
    elif action < 0.7:
        members[i] = (rng.choice(("../x.npy", "x", "", name.replace("test", "train"), "/etc/x.npy")), data)
    elif action < 0.8:
        members.append(members[rng.randrange(len(members))])
    elif action < 0.9:
        members[i] = (name, members[rng.randrange(len(members))][1])
    else:
        del members[i]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members:
            kind = rng.choice((0, 0, 0, 0, 0, 0, 0, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
            archive.writestr(zipfile.ZipInfo(name or "e"), data, compress_type=kind)
    return out.getvalue()


def mutate_idx(content: bytes, rng: random.Random, havoc: Havoc) -> bytes:
    """Inside gzip or outside; a header with other axes."""
    zipped = content[:2] == b"\x1f\x8b"
    if rng.random() < 0.3:
        return havoc(content)
    try:
        plain = gzip.decompress(content) if zipped else content
    except Exception:  # a damaged one
        return havoc(content)
    if rng.random() < 0.4:
        axes = rng.choice((0, 1, 2, 3, 4, 33, 64, 65, 255))
        sides = b"".join(rng.choice((0, 1, 1, 1, 2, 3, 2**31, 2**32 - 1)).to_bytes(4, "big") for _ in range(axes))
        plain = bytes((0, 0, 8, axes)) + sides + plain[8:][: rng.choice((0, 1, 2, 6, 100))]
    else:
        plain = havoc(plain)
    return gzip.compress(plain, 1) if rng.random() < 0.5 else plain


_CELLS = (
    '"', '""', '"a\nb"', ";", "\t", "1e999", "-", "NaN", "1,5", "=1+1", "\ufeff", "\0", "9" * 400, "2001-99-99", " ",
    "a" * 5000, "inf", "\u202e", "0x1F", "1_000", "True", "\r",
)  # fmt: skip


def mutate_table(content: bytes, rng: random.Random, havoc: Havoc) -> bytes:
    """A cell, a line or the delimiter of a CSV file changed."""
    action = rng.random()
    if action < 0.4:
        return havoc(content)
    if action < 0.5:
        return content.replace(b",", rng.choice((b";", b"\t", b"|", b"", b",,")))
    lines = content.split(b"\n")
    i = rng.randrange(len(lines))
    cells = lines[i].split(b",")
    if action < 0.9:
        cells[rng.randrange(len(cells))] = rng.choice(_CELLS).encode("utf-8", "surrogatepass")
        lines[i] = b",".join(cells)
    elif action < 0.95:
        lines[i : i + 1] = [lines[i]] * rng.choice((0, 2, 50))
    else:
        lines[i] = b",".join(cells * rng.choice((2, 100)))
    return b"\n".join(lines)


def mutate_bytes(content: bytes, rng: random.Random, havoc: Havoc) -> bytes:
    """Nothing but libFuzzer's own, for formats that have no checksums."""
    return havoc(content)


def mutate_yaml(content: bytes, rng: random.Random, havoc: Havoc) -> bytes:
    """A line or a value replaced by what YAML makes more of than a number."""
    if rng.random() < 0.4:
        return havoc(content)
    lines = content.split(b"\n")
    i = rng.randrange(len(lines))
    part = rng.choice(_YAML).encode("utf-8", "surrogatepass")
    name, colon, _ = lines[i].partition(b":")
    action = rng.random()
    lines[i] = name + b": " + part if colon and action < 0.6 else lines[i] + part if action < 0.7 else part
    return b"\n".join(lines)


def mutate_png(content: bytes, rng: random.Random, havoc: Havoc) -> bytes:
    """A picture of which the bytes of one chunk are others, its length and checksum right; or any bytes."""
    chunks, at = [], 8
    while at + 12 <= len(content):
        end = at + 8 + int.from_bytes(content[at : at + 4], "big")
        chunks.append((content[at + 4 : at + 8], content[at + 8 : end]))
        at = end + 4
    if not chunks or rng.random() < 0.1:
        return havoc(content)
    place = rng.randrange(len(chunks))
    kind, part = chunks[place]
    if kind == b"IDAT" and rng.random() < 0.5:
        with suppress(zlib.error):
            part = zlib.compress(havoc(zlib.decompress(part)))
    else:
        part = havoc(part)
    chunks[place] = (kind, part)
    parts = (struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks)
    return content[:8] + b"".join(parts)
