"""Folders of pictures that the tests draw: whatever the format, the same picture comes out."""

import json
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin, features

from cospike._errors import InputError, TrainingWarning
from cospike.data import load_dataset
from cospike.entry import main
from cospike.pictures import read_pictures


def a_picture(height=12, width=20, *, colour=True):
    """An upper half of one colour, a lower left quarter of another, a lower right quarter of a third."""
    levels = np.zeros((height, width, 3), dtype=np.uint8)
    levels[: height // 2] = (200, 40, 90) if colour else 200
    levels[height // 2 :, : width // 2] = (0, 150, 30) if colour else 100
    levels[height // 2 :, width // 2 :] = (255, 255, 255)
    return levels


def save(path, image, **keywords):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **keywords)
    return path


def only(folder, **keywords):
    """The one picture of a folder, as height × width × channel."""
    pictures = read_pictures(folder, **keywords)
    assert len(pictures.x) == 1
    return pictures.x[0].transpose(1, 2, 0)


def as_palette(image):
    return image.quantize(8)


def with_alpha(image):
    """White where the picture is, but by being transparent there."""
    levels = np.dstack([np.asarray(image), np.full(image.size[::-1], 255, np.uint8)])
    white = (levels[..., :3] == 255).all(axis=2)
    levels[white] = (9, 9, 9, 0)
    return Image.fromarray(levels)


COLOUR = {
    "a.png": (lambda image: image, {}, 0),
    "a.bmp": (lambda image: image, {}, 0),
    "a.ppm": (lambda image: image, {}, 0),
    "a.tif": (lambda image: image, {}, 0),
    "a.PNG": (as_palette, {}, 2),
    "a.gif": (as_palette, {}, 2),
    "b.png": (with_alpha, {}, 0),
    "a.jpg": (lambda image: image, {"quality": 98, "subsampling": 0}, 12),
    "a.jpeg": (lambda image: image.convert("CMYK"), {"quality": 98, "subsampling": 0}, 12),
    **({"a.webp": (lambda image: image, {"lossless": True}, 0)} if features.check("webp") else {}),
}


@pytest.mark.parametrize("name", COLOUR)
def test_a_picture_in_colour_is_the_same_in_every_format(tmp_path, name):
    convert, keywords, tolerance = COLOUR[name]
    levels = a_picture()
    save(tmp_path / "class" / name, convert(Image.fromarray(levels)), **keywords)
    np.testing.assert_allclose(only(tmp_path).astype(int), levels, atol=tolerance)


GREY = {
    "a.png": Image.fromarray,
    "b.png": lambda levels: Image.fromarray(levels.astype(np.uint16) * 257),
    "a.tif": lambda levels: Image.fromarray((levels / np.float32(255)).astype(np.float32)),
    "b.tif": lambda levels: Image.fromarray(levels.astype(np.int32) * 257),
    "c.png": lambda levels: Image.fromarray(np.repeat(levels[..., None], 3, axis=2)),
    "d.png": lambda levels: Image.fromarray(levels).convert("LA"),
    "a.pgm": Image.fromarray,
}


@pytest.mark.parametrize("name", GREY)
def test_a_grey_picture_is_the_same_in_every_depth(tmp_path, name):
    levels = a_picture(colour=False)[..., 0]
    save(tmp_path / "class" / name, GREY[name](levels))
    assert only(tmp_path)[..., 0].tolist() == levels.tolist()
    assert only(tmp_path).shape == (12, 20, 1)


def test_black_and_white_is_grey(tmp_path):
    save(tmp_path / "class" / "a.png", Image.fromarray(a_picture(colour=False)[..., 0] > 150))
    assert set(only(tmp_path).flatten().tolist()) == {0, 255}


def test_one_picture_in_colour_makes_all_of_them_so(tmp_path):
    save(tmp_path / "a" / "1.png", Image.fromarray(a_picture(colour=False)))
    assert read_pictures(tmp_path).x.shape == (1, 1, 12, 20)
    save(tmp_path / "b" / "1.png", Image.fromarray(a_picture()))
    pictures = read_pictures(tmp_path)
    assert pictures.x.shape == (2, 3, 12, 20)
    assert pictures.x[0, :].tolist() == [a_picture(colour=False)[..., 0].tolist()] * 3
    assert pictures.y.tolist() == [0, 1]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_camera_that_was_held_otherwise_is_turned_upright(tmp_path, orientation):
    """What the EXIF standard says of the eight orientations, undone by NumPy."""
    levels = a_picture()
    stored = {
        1: lambda x: x,
        2: lambda x: x[:, ::-1],
        3: lambda x: x[::-1, ::-1],
        4: lambda x: x[::-1],
        5: lambda x: x.transpose(1, 0, 2),
        6: lambda x: np.rot90(x, 1),
        7: lambda x: x[::-1, ::-1].transpose(1, 0, 2),
        8: lambda x: np.rot90(x, -1),
    }[orientation](levels)
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(tmp_path / "class" / "a.png", Image.fromarray(np.ascontiguousarray(stored)), exif=exif)
    assert only(tmp_path).tolist() == levels.tolist()


def test_pictures_of_many_sizes_are_covered_and_cut_not_distorted(tmp_path):
    """A disc in the middle stays a disc, whatever the size and the shape of the picture."""
    for i, (height, width) in enumerate([(400, 300), (400, 300), (300, 600), (90, 70), (1200, 900)]):
        y, x = np.mgrid[:height, :width]
        disc = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2) < 0.35 * min(height, width)
        save(tmp_path / "disc" / f"{i}.png", Image.fromarray((disc * 255).astype(np.uint8)))
    pictures = read_pictures(tmp_path)
    assert pictures.x.shape == (5, 1, 64, 48), "the median shape, 64 on its longer side"
    for x in pictures.x[:, 0] > 127:
        assert x.any(axis=1).sum() == pytest.approx(x.any(axis=0).sum(), abs=2)
        assert not x[0].any()
    assert read_pictures(tmp_path, size=(20,)).x.shape == (5, 1, 20, 20)
    assert read_pictures(tmp_path, size=(20, 31)).x.shape == (5, 1, 20, 31)


def test_classes_are_in_the_order_of_their_numbers_and_hidden_files_count_nowhere(tmp_path):
    for name in ("10", "9", "2"):
        save(tmp_path / name / "a.png", Image.fromarray(np.full((8, 8), int(name), np.uint8)))
    (tmp_path / ".git").mkdir()
    (tmp_path / ".DS_Store").write_bytes(b"x")
    save(tmp_path / "9" / "._a.png", Image.new("L", (8, 8)))
    pictures = read_pictures(tmp_path)
    assert pictures.class_names == ("2", "9", "10")
    assert [pictures.x[pictures.y == i][0, 0, 0, 0] for i in range(3)] == [2, 9, 10]


def bomb(width, height):
    """A PNG that claims a size, with hardly a byte behind it."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_what_cannot_be_read_is_left_out_and_named_in_a_line(tmp_path):
    whole = save(tmp_path / "a" / "good.png", Image.fromarray(a_picture())).read_bytes()
    (tmp_path / "a" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "a" / "large.png").write_bytes(bomb(60_000, 60_000))
    (tmp_path / "a" / "large.jpg").write_bytes(bomb(12_000, 12_000))
    (tmp_path / "a" / "empty.gif").write_bytes(b"")
    (tmp_path / "a" / "notes.txt").write_text("hello")
    (tmp_path / "a" / "code.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    (tmp_path / "list.csv").write_text("a,b")
    os.mkfifo(tmp_path / "a" / "pipe.png")
    with pytest.warns(TrainingWarning) as caught:
        assert len(read_pictures(tmp_path).x) == 1
    told = sorted(str(one.message) for one in caught)
    name = tmp_path.name
    assert told[0] == f"Left out of {name}, as no pictures: a/notes.txt, a/pipe.png, list.csv."
    assert told[1].startswith(f"Left out of {name}, as unreadable pictures: ")
    assert told[1].endswith(" and 2 more.")
    assert len(told) == 2


def test_a_picture_of_too_many_pixels_is_left_out_before_it_is_decoded(tmp_path, monkeypatch):
    save(tmp_path / "a" / "good.png", Image.new("L", (8, 8)))
    save(tmp_path / "a" / "large.png", Image.new("L", (9, 8)))
    assert len(read_pictures(tmp_path).x) == 2
    monkeypatch.setattr("cospike.pictures._MAX_PIXELS", 64)
    with pytest.warns(TrainingWarning, match=r"as unreadable pictures: a/large\.png\."):
        assert len(read_pictures(tmp_path).x) == 1


DEEP = {  # how much is covered, of 1, at each place; and what is saved
    "LA.png": lambda grey, cover: Image.merge("LA", [grey, cover]),
    "RGBA.png": lambda grey, cover: Image.merge("RGBA", [grey, grey, grey, cover]),
    "I;16.png": lambda grey, _: Image.fromarray(np.asarray(grey).astype(np.uint16) * 257),
    "F.tif": lambda grey, _: Image.fromarray(np.asarray(grey) / np.float32(255)),
    "1.png": lambda grey, _: grey.point(lambda level: 255 * (level > 127)).convert("1"),
}


@pytest.mark.parametrize("name", DEEP)
def test_what_is_scaled_first_is_what_would_be_laid_on_paper_first(tmp_path, name):
    ramp = np.add.outer(np.arange(96), 2 * np.arange(96)).astype(np.float32)
    grey, cover = (Image.fromarray((255 * part / part.max()).astype(np.uint8)) for part in (ramp, ramp[::-1]))
    picture = DEEP[name](grey, cover)
    save(tmp_path / "a" / name, picture)
    levels = np.asarray(picture.convert("L") if name == "1.png" else grey, dtype=np.float32)
    if "A" in picture.getbands():
        share = np.asarray(cover, dtype=np.float32) / 255
        levels = levels * share + 255 * (1 - share)
    paper = Image.fromarray(np.rint(levels).astype(np.uint8))
    expected = np.asarray(paper.resize((24, 24), Image.Resampling.BICUBIC)).astype(float)
    tolerance = 2 if "A" in picture.getbands() else 1  # what is covered is rounded on its way
    np.testing.assert_allclose(only(tmp_path, size=(24,))[..., 0].astype(float), expected, atol=tolerance)


def test_levels_that_are_no_numbers_or_too_high_are_left_out(tmp_path):
    save(tmp_path / "a" / "good.png", Image.new("L", (8, 8)))
    for name, level in {"nan": np.nan, "high": 1.5, "low": -0.1, "infinite": np.inf}.items():
        levels = np.zeros((8, 8), np.float32)
        levels[4, 4] = level
        save(tmp_path / "a" / f"{name}.tif", Image.fromarray(levels))
    with pytest.warns(TrainingWarning, match=r"as unreadable pictures: .* and 1 more"):
        assert len(read_pictures(tmp_path).x) == 1


def test_a_corner_of_a_tile_of_gigabytes_is_left_out_before_it_is_decoded(tmp_path, monkeypatch):
    """143 bytes of TIFF that say of 16 × 16 pixels that they lie in a tile of 40,000 × 40,000."""
    packed = b"\x80\x0b\x60\x50\x22\x0c\x0c\x85\x01"
    tags = {256: 16, 257: 16, 258: 8, 259: 5, 262: 1, 277: 1, 322: 40_000, 323: 40_000, 324: 134, 325: len(packed)}
    entries = b"".join(struct.pack("<HHII", tag, 3 if value < 9 else 4, 1, value) for tag, value in tags.items())
    save(tmp_path / "a" / "good.png", Image.new("L", (8, 8)))
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    (tmp_path / "a" / "x.tif").write_bytes(head + entries + struct.pack("<I", 0) + packed)
    decoded = []

    def load(image):
        decoded.append(image)
        raise OSError("not here")

    monkeypatch.setattr(TiffImagePlugin.TiffImageFile, "_load_libtiff", load)
    with pytest.warns(TrainingWarning, match=r"as unreadable pictures: a/x\.tif\."):
        assert len(read_pictures(tmp_path).x) == 1
    assert not decoded


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak is counted in other units")
def test_a_picture_of_many_pixels_takes_a_few_bytes_for_each(tmp_path):
    side = 6000
    save(tmp_path / "large" / "a" / "x.png", Image.fromarray(np.zeros((side, side), np.uint16)))
    save(tmp_path / "small" / "a" / "x.png", Image.fromarray(np.zeros((8, 8), np.uint16)))
    code = (
        "import resource, sys; from pathlib import Path; from cospike.pictures import read_pictures\n"
        "for folder in ('small', 'large'):\n"
        "    read_pictures(Path(sys.argv[1], folder))\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    small, large = map(int, done.stdout.split())
    assert 1024 * (large - small) < 14 * side**2


def test_no_other_program_is_run(tmp_path, monkeypatch):
    """PostScript, which Pillow gives to Ghostscript, is not even opened, whatever it is called."""
    from PIL import EpsImagePlugin

    asked = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *arguments, **keywords: asked.append(arguments))
    save(tmp_path / "a" / "good.png", Image.fromarray(a_picture()))
    for name in ("a.png", "a.eps"):
        script = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
        (tmp_path / "a" / name).write_text(script)
    Image.init()
    with pytest.warns(TrainingWarning):
        assert len(read_pictures(tmp_path).x) == 1
    assert not asked
    with Image.open(tmp_path / "a" / "a.png") as image, pytest.raises((AssertionError, AttributeError)):
        image.load()
    assert asked, "it would have been"


def test_flipped_bytes_never_end_in_a_traceback(tmp_path):
    rng = np.random.default_rng(0)
    for name, (convert, keywords, _) in COLOUR.items():
        whole = save(tmp_path / "whole" / name, convert(Image.fromarray(a_picture())), **keywords).read_bytes()
        for i in range(20):
            content = bytearray(whole)
            for place in rng.integers(0, len(content), 3):
                content[place] ^= 1 << rng.integers(8)
            (tmp_path / "whole" / f"{i}-{name}").write_bytes(content)
    with pytest.warns(TrainingWarning, match="unreadable pictures"):
        assert len(read_pictures(tmp_path).x) >= len(COLOUR)


@pytest.mark.parametrize("size", [(), (3,), (2000,), (8, 8, 8), (8.5,)])
def test_a_size_that_is_none_is_refused(unchecked, tmp_path, size):
    save(tmp_path / "a" / "a.png", Image.new("L", (8, 8)))
    with pytest.raises(InputError, match=r"'image_size' of load_dataset must be one or two numbers of 4 … 1024"):
        load_dataset(tmp_path, image_size=size)


def test_too_many_for_the_memory_are_refused_before_they_are_read(tmp_path, monkeypatch):
    for i in range(5):
        save(tmp_path / "a" / f"{i}.png", Image.new("L", (8, 8)))
    monkeypatch.setattr("cospike.pictures._MAX_BYTES", 900)
    with pytest.raises(InputError, match=r"The 5 pictures of .* must fit in memory.*smaller --image-size"):
        read_pictures(tmp_path)


def test_a_folder_is_a_data_set(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        for i in range(10):
            levels = rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)
            save(tmp_path / "pets" / name / f"{i}.png", Image.fromarray(levels))
    data = load_dataset(tmp_path / "pets")
    assert (data.name, data.class_names, data.shape) == ("pets", ("cat", "dog"), (3, 9, 11))
    assert [len(split) for split in (data.train, data.validation, data.test)] == [12, 4, 4]
    assert 0 <= data.train.x.min() < data.train.x.max() <= 1
    assert load_dataset(tmp_path / "pets", image_size=(8,)).shape == (3, 8, 8)
    assert load_dataset(tmp_path / "pets", image_size=8).shape == (3, 8, 8)
    with pytest.raises(
        InputError, match="'label or image_size' of load_dataset must be left out for data that are known by name"
    ):
        load_dataset("digits", image_size=(8,))
    save(tmp_path / "nothing" / "in" / "._a.png", Image.new("L", (8, 8)))
    with pytest.raises(InputError, match="a sub-folder of pictures for each class"):
        load_dataset(tmp_path / "nothing")


@pytest.mark.slow
def test_a_folder_of_photographs_is_trained_on_and_shown(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name, place in (("left", 4), ("right", 20)):
        for i in range(30):
            levels = rng.integers(0, 40, (36, 36, 3), dtype=np.uint8)
            levels[10:26, place : place + 12, i % 3] += 200
            save(tmp_path / "photos" / name / f"{i}.png", Image.fromarray(levels))
    words = ["train", str(tmp_path / "photos"), "--out", str(tmp_path / "run"), "--epochs", "2", "--n-latents", "6"]
    main([*words, "--hidden", "16", "--accelerator", "cpu", "--image-size", "34"])
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["model"]["network"] == "conv"
    assert config["model"]["shape"] == [3, 34, 34]
    assert config["data"]["class_names"] == ["left", "right"]
    assert "<image" in (tmp_path / "run" / "report.html").read_text()
    capsys.readouterr()
