"""Any folder of images with label files, and what the values stand for."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from napari_naclip.engine.errors import InputError, StorageError
from napari_naclip.engine.types import ClassList, Settings
from napari_naclip.evaluate.pairs import pair_folders
from napari_naclip.evaluate.task import plan_folders
from napari_naclip.evaluate.truth import IGNORED, ValueRule, read_labels

PATH = Path('labels.png')
PLAIN = ClassList.from_text('sky; tree; water')
WITH_REST = ClassList.from_text('sky; tree', background='wall')


def apply(rule: ValueRule, *values: int) -> list[int]:
    return rule.apply(np.array([values]), PATH)[0].tolist()


def test_values_are_those_of_the_list() -> None:
    rule = ValueRule.of_classes(PLAIN, {255})
    # Without a background row 0 is a pixel without a label.
    assert apply(rule, 0, 1, 2, 3, 255) == [IGNORED, 0, 1, 2, IGNORED]
    rule = ValueRule.of_classes(WITH_REST, {255})
    assert apply(rule, 0, 1, 2, 255) == [0, 1, 2, IGNORED]


def test_first_class_can_be_zero() -> None:
    rule = ValueRule.of_classes(PLAIN, {9}, is_from_zero=True)
    assert apply(rule, 0, 1, 2, 9) == [0, 1, 2, IGNORED]
    with pytest.raises(InputError, match='from-zero'):
        ValueRule.of_classes(WITH_REST, {9}, is_from_zero=True)


@pytest.mark.parametrize('value', [4, 254, -1, 70000])
def test_unknown_value_is_refused(value: int) -> None:
    rule = ValueRule.of_classes(PLAIN, {255})
    with pytest.raises(InputError, match=f'the value {value}, .*1 to 3'):
        apply(rule, 1, value)


def test_class_cannot_be_ignored() -> None:
    with pytest.raises(InputError, match="class 'tree'"):
        ValueRule.of_classes(PLAIN, {2})


@pytest.mark.parametrize('value', [-1, 65536, 10**12])
def test_only_label_values_can_be_ignored(value: int) -> None:
    with pytest.raises(InputError, match=f'value {value} cannot be ignored'):
        ValueRule.of_classes(PLAIN, {value})


@given(st.lists(st.integers(0, 65535), min_size=1, max_size=30), st.data())
def test_rule_does_what_a_dictionary_does(
    values: list[int], data: st.DataObject
) -> None:
    known = data.draw(st.permutations(sorted(set(values))))
    cut = data.draw(st.integers(0, len(known)))
    rows = {value: row for row, value in enumerate(known[:cut])}
    rule = ValueRule(rows, frozenset(known[cut:]) or frozenset({0}))
    labels = np.array([values], np.uint16)
    expected = [rows.get(value, IGNORED) for value in values]
    assert rule.apply(labels, PATH)[0].tolist() == expected


@pytest.mark.parametrize(
    ('name', 'dtype'),
    [('a.png', np.uint8), ('a.png', np.uint16), ('a.tif', np.uint16)],
)
def test_values_are_read_as_stored(
    name: str, dtype: Any, tmp_path: Path
) -> None:
    array: npt.NDArray[Any] = np.arange(12, dtype=dtype).reshape(3, 4)
    if name.endswith('tif'):
        tifffile.imwrite(tmp_path / name, array)
    else:
        Image.fromarray(array).save(tmp_path / name)
    np.testing.assert_array_equal(read_labels(tmp_path / name), array)


def write_png(path: Path, rows: npt.NDArray[np.uint8], depth: int) -> None:
    """Write greys of fewer than 8 bits, which Pillow does not."""
    bits = np.unpackbits(rows[..., None], axis=2)[..., -depth:]
    lines = np.packbits(bits.reshape(len(rows), -1), axis=1)
    data = b''.join(b'\0' + line.tobytes() for line in lines)
    head = struct.pack('>IIBBBBB', rows.shape[1], len(rows), depth, *[0] * 4)
    content = b'\x89PNG\r\n\x1a\n'
    for name, body in (
        (b'IHDR', head),
        (b'IDAT', zlib.compress(data)),
        (b'IEND', b''),
    ):
        content += struct.pack('>I', len(body)) + name + body
        content += struct.pack('>I', zlib.crc32(name + body))
    path.write_bytes(content)


@pytest.mark.parametrize('depth', [1, 2, 4, 8])
def test_grey_values_of_few_bits_are_not_stretched(
    depth: int, tmp_path: Path
) -> None:
    rows = (np.arange(15).reshape(3, 5) % 2**depth).astype(np.uint8)
    write_png(tmp_path / 'a.png', rows, depth)
    np.testing.assert_array_equal(read_labels(tmp_path / 'a.png'), rows)


def test_too_many_pixels_are_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_png(tmp_path / 'a.png', np.zeros((3, 5), np.uint8), 8)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 4)
    with pytest.raises(InputError, match='more pixels'):
        read_labels(tmp_path / 'a.png')


def write(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b'x')
    return folder


def test_files_are_paired_by_name(tmp_path: Path) -> None:
    images = write(tmp_path / 'i', 'b.jpg', 'a.PNG', 'c.tif', 'notes.txt')
    labels = write(tmp_path / 'l', 'a.png', 'b.tif', 'd.png', 'a.json')
    found = pair_folders(images, labels)
    names = [(p.name, p.image.name, p.labels.name) for p in found.pairs]
    assert names == [('a', 'a.PNG', 'a.png'), ('b', 'b.jpg', 'b.tif')]
    assert found.unmatched == 2


def test_folders_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    images = write(tmp_path / 'i', 'a.jpg')
    with pytest.raises(InputError, match='name of a label file'):
        pair_folders(images, write(tmp_path / 'l', 'b.png'))
    with pytest.raises(StorageError, match='no folder'):
        pair_folders(images, tmp_path / 'nowhere')
    write(images, 'a.png')
    with pytest.raises(InputError, match='one name'):
        pair_folders(images, tmp_path / 'l')


def test_threshold_needs_a_background(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='background row'):
        plan_folders(tmp_path, tmp_path, PLAIN, Settings(threshold=0.5))


def test_limit_takes_the_first_images(tmp_path: Path) -> None:
    images = write(tmp_path / 'i', 'a.jpg', 'b.jpg', 'c.jpg')
    labels = write(tmp_path / 'l', 'a.png', 'b.png', 'c.png')
    task = plan_folders(images, labels, PLAIN, Settings())
    limited = task.limited(2)
    assert [pair.name for pair in limited.pairs] == ['a', 'b']
    assert limited.differences == ('only 2 of 3 images',)
    assert task.limited(3) is task
    with pytest.raises(InputError, match='least is 1'):
        task.limited(0)
