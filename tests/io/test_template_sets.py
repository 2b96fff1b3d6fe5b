"""Template sets that ship with the package, and the person's own."""

from __future__ import annotations

import fnmatch
import tomllib
from pathlib import Path

import pytest

from napari_naclip import Settings
from napari_naclip.engine.errors import InputError, StorageError
from napari_naclip.engine.templates import IMAGENET_TEMPLATES
from napari_naclip.io.last_list import config_folder
from napari_naclip.io.template_sets import (
    find_templates,
    list_template_sets,
    load_own_templates,
    load_template_set,
    save_own_templates,
)

ROOT = Path(__file__).parents[2]
SETS = {each.key: each for each in list_template_sets()}
OURS = {
    'plain',
    'aerial',
    'histology',
    'fluorescence',
    'brightfield',
    'xray',
    'drawings',
}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('NAPARI_NACLIP_CONFIG', str(tmp_path / 'config'))


def test_the_sets_begin_with_those_for_anything() -> None:
    assert list(SETS)[:3] == ['imagenet', 'fast', 'plain']
    assert set(SETS) == {'imagenet', 'fast', *OURS}


@pytest.mark.parametrize('key', SETS)
def test_a_set_is_described_and_usable(key: str) -> None:
    each = load_template_set(key)
    for text in (each.title, each.description, each.source, each.license):
        assert text == text.strip() != ''
    assert Settings(templates=each.templates).templates == each.templates
    published = key in ('imagenet', 'fast')
    assert each.license == ('MIT' if published else 'BSD-3-Clause')
    assert set(each.templates) <= set(IMAGENET_TEMPLATES) or key in OURS


def test_the_default_set_is_the_setting_without_templates() -> None:
    assert find_templates('imagenet') is None
    assert SETS['imagenet'].templates == IMAGENET_TEMPLATES
    assert find_templates('plain') == ('{}',)
    assert len(SETS['fast'].templates) == 7


def test_a_file_gives_templates(tmp_path: Path) -> None:
    path = tmp_path / 'mine.txt'
    path.write_bytes(b'\xef\xbb\xbf# mine\r\na map of {}.\r\n')
    assert find_templates(str(path)) == ('a map of {}.',)


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (b'a map', 'mine.txt: Line 1: .*exactly once'),
        (b'', 'no prompt template'),
        (b'\xff\xfe{', 'no text in UTF-8'),
        (b'{}' * 600_000, 'too large'),
    ],
)
def test_a_file_with_something_else(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / 'mine.txt'
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason):
        find_templates(str(path))


def test_what_is_no_set_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='imagenet, fast'):
        find_templates('photos')
    with pytest.raises(InputError, match='imagenet, fast'):
        load_template_set('photos')
    with pytest.raises(StorageError, match='cannot be read'):
        find_templates(str(tmp_path))


def test_the_own_set_comes_back() -> None:
    assert load_own_templates() is None
    with pytest.raises(InputError, match='no templates of your own'):
        find_templates('own')
    save_own_templates(('a map of {}.', '{}'))
    assert find_templates('own') == ('a map of {}.', '{}')


@pytest.mark.parametrize(
    'content',
    [
        '{',
        '[]',
        '{"version": 2, "templates": ["{}"]}',
        '{"version": 1, "templates": [1]}',
        '{"version": 1, "templates": ["a map"]}',
        '{"version": 1}',
    ],
)
def test_a_broken_own_set_counts_as_none(content: str, caplog) -> None:
    config_folder().mkdir(parents=True)
    (config_folder() / 'templates.json').write_text(content)
    assert load_own_templates() is None
    assert 'cannot be read' in caplog.text


def test_the_wheel_takes_the_files() -> None:
    project = tomllib.loads((ROOT / 'pyproject.toml').read_text())
    patterns = project['tool']['setuptools']['package-data'][
        'napari_naclip.data'
    ]
    for key in SETS:
        assert any(
            fnmatch.fnmatch(f'templates/{key}.txt', pattern)
            for pattern in patterns
        )
