"""The class lists that ship with the package."""

from __future__ import annotations

import fnmatch
import json
import tomllib
from importlib import resources
from pathlib import Path

import pytest

from napari_naclip import Settings
from napari_naclip.engine.class_rows import clean_text
from napari_naclip.engine.class_state import ListState
from napari_naclip.engine.errors import InputError
from napari_naclip.engine.types import threshold_from_margin
from napari_naclip.io.presets import list_presets, load_preset
from napari_naclip.io.template_sets import load_template_set

ROOT = Path(__file__).parents[2]
KEYS = [preset.key for preset in list_presets()]
#: Classes with the background, prompts, whether the first is background.
PAPER = {
    'voc21': (21, 56, True),
    'voc20': (20, 30, False),
    'context60': (60, 60, True),
    'context59': (59, 59, False),
    'coco_object': (81, 113, True),
    'coco_stuff': (171, 171, False),
    'cityscapes': (19, 19, False),
    'ade20k': (150, 150, False),
}


@pytest.mark.parametrize('key', KEYS)
def test_a_preset_is_a_class_list(key: str) -> None:
    preset = load_preset(key)
    classes = preset.class_list()
    count = len(classes.classes)
    assert [row.value for row in classes.classes] == [*range(1, count + 1)]
    for text in (
        preset.title,
        preset.description,
        preset.source,
        preset.license,
        preset.remark,
    ):
        assert text == clean_text(text) != ''
    prompts = classes.queries
    assert all(prompt == clean_text(prompt) for prompt in prompts)
    Settings(**preset.settings)


@pytest.mark.parametrize('key', PAPER)
def test_the_lists_of_the_paper_have_its_numbers(key: str) -> None:
    preset = load_preset(key)
    count, prompts, has_background = PAPER[key]
    classes = preset.class_list()
    assert (preset.group, preset.template_set) == ('paper', 'imagenet')
    assert len(classes.rows) == count
    assert len(classes.queries) == prompts
    assert (classes.background is not None) == has_background
    assert preset.settings['threshold'] == (0.1 if has_background else 0.0)
    assert preset.settings['detail'] == (560 if key == 'cityscapes' else 336)
    assert preset.settings['window'] == (0 if 'voc' in key else 224)


@pytest.mark.parametrize('key', KEYS)
def test_the_certainty_of_a_list_is_its_published_threshold(key: str) -> None:
    preset = load_preset(key)
    if preset.group != 'paper':
        assert preset.margin is None
        return
    _, prompts, has_background = PAPER[key]
    if not has_background:
        assert preset.margin == 0
        return
    assert preset.margin is not None
    assert threshold_from_margin(
        preset.margin, prompts, Settings().logit_scale
    ) == pytest.approx(0.1, abs=1e-12)


def test_the_list_of_the_benchmark_is_that_of_the_preset() -> None:
    path = ROOT / 'benchmarks' / 'voc21.json'
    if not path.exists():
        pytest.skip('the benchmarks are in the repository only')
    entries = json.loads(path.read_text(encoding='utf-8'))['classes']
    rows = load_preset('voc21').class_list().rows
    assert [list(row.prompts) for row in rows] == entries


def test_our_lists_have_synonyms_and_something_to_contrast_with() -> None:
    ours = [preset for preset in list_presets() if preset.group == 'domain']
    assert len(ours) == 7
    for preset in ours:
        classes = preset.class_list()
        assert classes.background is not None
        assert classes.background.prompts
        assert len(classes.queries) > len(classes.competitors)
        folded = [prompt.casefold() for prompt in classes.queries]
        assert len(set(folded)) == len(folded)
        assert not preset.settings
        assert load_template_set(preset.template_set)


def test_the_wheel_takes_the_files() -> None:
    project = tomllib.loads((ROOT / 'pyproject.toml').read_text())
    patterns = project['tool']['setuptools']['package-data'][
        'napari_naclip.data'
    ]
    folder = resources.files('napari_naclip.data') / 'presets'
    names = [f'presets/{file.name}' for file in folder.iterdir()]
    assert len(names) == len(KEYS)
    for name in names:
        # A star of setuptools does not cross folders.
        assert any(
            fnmatch.fnmatch(name, pattern)
            for pattern in patterns
            if pattern.count('/') == 1
        )


def test_presets_fill_a_list_and_add_to_it() -> None:
    drafts = load_preset('aerial').drafts
    state = ListState.from_drafts(drafts)
    assert state.background is not None
    more = ListState.from_text('chimney').add(drafts)
    assert more.background is not None
    assert more.find(1).name == 'chimney'


def test_a_preset_that_is_not_there() -> None:
    with pytest.raises(InputError, match='voc21'):
        load_preset('voc')
