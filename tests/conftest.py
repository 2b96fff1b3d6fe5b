"""Fixtures that the whole suite shares.

What takes seconds to import is imported where it is needed: the process that
hands tests to others runs none, and they begin when it has read this file.
"""

from __future__ import annotations

import functools
import gc
import itertools
import json
import os
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, settings

from quick_windows import (
    clean_shaders_once,
    leave_the_hidden_welcome,
    read_plugins_once,
    read_signatures_once,
    skip_what_none_listens_to,
)

if TYPE_CHECKING:
    import torch

    from napari_naclip.engine.clip.text import Tokenizer
    from napari_naclip.engine.models import Model

# Explaining a failure traces all libraries line by line, for minutes: what
# failed would be told as a timeout. And an example may take as long as a busy
# machine needs: what hangs ends by the time limit that all tests have.
settings.register_profile(
    'unexplained',
    parent=settings(),
    deadline=None,
    phases=[each for each in settings().phases if each != Phase.explain],
)
settings.load_profile('unexplained')

GOLDEN = Path(__file__).parent / 'golden'
#: Counts the tests with a window of napari.
WINDOWS = itertools.count()
#: After so many windows come the objects that each leaves behind, thousands,
#: out of the sight of collections, which else take longer from test to test.
WINDOWS_A_FREEZE = 5
#: Walks through all that is frozen.
COUNT_FROZEN = gc.get_freeze_count


def freeze_the_living() -> None:
    """Have no later collection look at what is there now.

    Nor is it counted: a run asks whether anything is frozen, and to walk
    through a million objects takes longer than the rest of its start.
    """
    gc.collect()
    gc.freeze()
    gc.get_freeze_count = lambda: 1


def pytest_collection_finish() -> None:
    """Prepare a process that will run tests.

    One thread, as what is tested is not speed, and two suites may share a
    machine.

    And collections are spared what all the tests have imported, which stays.
    That is a million objects and half a second for each full collection, of
    which napari has one after each window, and a run one for each batch that
    found no room.
    """
    import torch

    # All that the tests of models and runs import.
    import_module('napari_naclip.engine.clip.load')
    torch.set_num_threads(1)
    freeze_the_living()


@pytest.fixture
def all_collected() -> Iterator[None]:
    """Have collections that look at everything, as without tests."""
    gc.get_freeze_count = COUNT_FROZEN
    gc.unfreeze()
    yield
    freeze_the_living()


@pytest.fixture(scope='session')
def golden_clip() -> torch.nn.Module:
    """Return the tiny random CLIP that the golden vectors were made with."""
    from safetensors.torch import load_file

    from napari_naclip.engine.clip import load

    config = json.loads((GOLDEN / 'cases.json').read_text())['model_cfg']
    state = load.expand_token_embedding(
        load_file(GOLDEN / 'weights.safetensors'),
        config['text_cfg']['vocab_size'],
    )
    model = load.build_clip(config)
    load.fill(model, state, source='golden')
    return model


@pytest.fixture(scope='session')
def tokenizer() -> Tokenizer:
    """Return CLIP's tokenizer, which a fifth of a second goes into."""
    from napari_naclip.engine.clip.text import clip_tokenizer

    return clip_tokenizer()


@functools.cache
def share_tokenizer(*args: object, **options: object) -> Tokenizer:
    """Return CLIP's tokenizer: the same one, which knows texts it has cut."""
    from napari_naclip.engine.clip.text import clip_tokenizer

    tokenizer = clip_tokenizer(*args, **options)
    # Not changed by who calls it.
    tokenizer.encode = functools.cache(tokenizer.encode)
    return tokenizer


@pytest.fixture(scope='module')
def shared_tokenizer() -> Iterator[None]:
    """Have the demo model read words with one tokenizer for all tests.

    To make one and to cut the templates' texts takes as long as to look at a
    small picture.
    """
    from napari_naclip.engine.clip import load

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, 'clip_tokenizer', share_tokenizer)
        yield


@pytest.fixture
def golden_model(golden_clip: torch.nn.Module, tokenizer: Tokenizer) -> Model:
    """Return the golden CLIP as a model in float32 on the CPU."""
    from napari_naclip.engine.models import load_model

    return load_model(
        (golden_clip, tokenizer), device='cpu', precision='float32'
    )


@pytest.fixture
def steady_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a disk of 1 TB, whatever else writes on it in the meantime.

    The usual budget of kept features is a part of what is free.
    """
    from napari_naclip.engine.store import budgets

    monkeypatch.setattr(budgets, '_free_space', lambda _folder: 10**12)


@pytest.fixture
def empty_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the hub's library folders with nothing in them."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path / 'hub'))
    monkeypatch.setattr(constants, 'HF_ASSETS_CACHE', str(tmp_path / 'assets'))
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', False)


@pytest.fixture(scope='session')
def quick_windows() -> Iterator[None]:
    """Do once what napari does for each window again."""
    with pytest.MonkeyPatch.context() as patch:
        read_plugins_once(patch)
        read_signatures_once(patch)
        skip_what_none_listens_to(patch)
        leave_the_hidden_welcome(patch)
        clean_shaders_once(patch)
        yield


@pytest.fixture
def unsaved_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write no settings of napari, which tests change, on the disk."""
    from napari.settings import NapariSettings

    monkeypatch.setattr(NapariSettings, 'save', lambda *_, **__: None)


@pytest.fixture
def make_napari_viewer(
    quick_windows: None,
    unsaved_settings: None,
    make_napari_viewer: Callable[..., object],
) -> Callable[..., object]:
    """Return napari's function, with asynchronous slicing if NAPARI_ASYNC=1.

    napari's own fixture sets all settings back to their defaults, so that
    the variable would do nothing.
    """
    from napari.settings import get_settings

    if next(WINDOWS) % WINDOWS_A_FREEZE == 1:
        # With the first has also come all that a window imports. Here no
        # window is alive: napari's fixture has just looked.
        freeze_the_living()
    if os.environ.get('NAPARI_ASYNC', '0') not in ('', '0'):
        get_settings().experimental.async_ = True
    return make_napari_viewer
