"""Models by tag, by repository and by folder, from a hub in its true layout."""

from __future__ import annotations

import json
import math
import os
import socket
import warnings
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save, save_file

from hub_server import ENTRY, Hub, fill_cache, no_network
from napari_naclip.engine import hub, sources
from napari_naclip.engine.clip import load
from napari_naclip.engine.entry import CONFIG_FILE, RegistryEntry
from napari_naclip.engine.errors import (
    LicenseWarning,
    ModelError,
    NetworkError,
    WeightsError,
    WeightsMissingError,
)
from napari_naclip.engine.models import Model, load_model
from napari_naclip.engine.registry import (
    REGISTRY,
    find_model,
    sliding_window,
)
from napari_naclip.engine.segmenter import run_to_end
from tiny_clip import TINY_CFG

CONFIG = {
    'model_cfg': {**TINY_CFG, 'quick_gelu': True},
    'preprocess_cfg': {'mean': [0.5, 0.25, 0.5], 'std': [0.5, 1, 0.25]},
}
REPO = 'somebody/a-model'
NAME = f'hf-hub:{REPO}'


@pytest.fixture(scope='session')
def clip() -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return load.build_clip(TINY_CFG)


@pytest.fixture(scope='session')
def weights(clip: torch.nn.Module) -> bytes:
    return save(clip.state_dict())


def load_here(name: str, **options: Any) -> Model:
    return load_model(name, device='cpu', precision='float32', **options)


def activation_of(model: Model) -> type:
    kinds = {
        type(module)
        for module in model.text._model.modules()
        if isinstance(module, torch.nn.GELU | open_clip.transformer.QuickGELU)
    }
    (kind,) = kinds
    return kind


# A repository


@pytest.mark.parametrize(
    'file', ['open_clip_model.safetensors', 'open_clip_pytorch_model.bin']
)
def test_a_repository_is_downloaded_and_then_needs_no_network(
    server: Hub,
    clip: torch.nn.Module,
    weights: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
) -> None:
    content = weights
    if file.endswith('.bin'):
        torch.save(clip.state_dict(), tmp_path / 'w.bin')
        content = (tmp_path / 'w.bin').read_bytes()
    server.others = {
        (REPO, CONFIG_FILE): json.dumps(CONFIG).encode(),
        (REPO, file): content,
    }
    with pytest.raises(WeightsMissingError) as caught:
        load_here(NAME)
    assert (caught.value.model, caught.value.size) == (NAME, 0)
    assert not server.requests

    model = load_here(NAME, download=True)
    assert model.name == NAME
    assert (model.mean, model.std) == ((0.5, 0.25, 0.5), (0.5, 1, 0.25))
    assert (model.window, model.stride) == (32, 16)
    assert sliding_window(NAME) == (32, 16)
    assert activation_of(model) is open_clip.transformer.QuickGELU

    monkeypatch.setattr(socket.socket, 'connect', no_network)
    again = load_here(NAME)
    assert again.fingerprint == model.fingerprint
    other = load_here(NAME, activation='gelu')
    assert activation_of(other) is torch.nn.GELU
    assert other.fingerprint != model.fingerprint


def test_a_repository_in_the_hub_s_cache_is_enough(
    cache: Path, weights: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket.socket, 'connect', no_network)
    for file, content in (
        (CONFIG_FILE, json.dumps(CONFIG).encode()),
        ('open_clip_model.safetensors', weights),
    ):
        fill_cache(cache, content, repo=REPO, file=file)
    assert load_here(NAME).window == 32


def test_what_a_repository_lacks_is_said(server: Hub) -> None:
    with pytest.raises(NetworkError, match=CONFIG_FILE):
        load_here(NAME, download=True)
    server.others = {(REPO, CONFIG_FILE): json.dumps(CONFIG).encode()}
    with pytest.raises(NetworkError, match=r'open_clip_pytorch_model\.bin'):
        load_here(NAME, download=True)


@pytest.mark.parametrize(
    'config',
    [
        b'',
        b'[]',
        b'{"model_cfg": 3}',
        b'{"model_cfg": {"vision_cfg": {}, "text_cfg": []}}',
        b'\xff',
    ],
)
def test_a_broken_configuration_is_said(
    tmp_path: Path, weights: bytes, config: bytes
) -> None:
    (tmp_path / CONFIG_FILE).write_bytes(config)
    (tmp_path / 'w.safetensors').write_bytes(weights)
    with pytest.raises(ModelError, match='no configuration of open_clip'):
        load_here(f'local-dir:{tmp_path}')


@pytest.mark.parametrize(
    ('key', 'numbers'),
    [
        ('mean', [0.5]),
        ('mean', 'a'),
        ('mean', [1, 2, 'x']),
        ('mean', 3),
        ('mean', [0, True, 0]),
        ('mean', [0, 0, math.nan]),
        ('mean', [0, 10**400, 0]),
        ('std', [0.5, 0, 0.5]),
        ('std', [0.5, 0.5, -0.5]),
        ('std', [0.5, 0.5, 1e-300]),
        ('std', [math.inf, 1, 1]),
        ('std', [1, 1, math.nan]),
    ],
)
def test_statistics_that_cannot_be_are_said(
    tmp_path: Path, weights: bytes, key: str, numbers: object
) -> None:
    config = {**CONFIG, 'preprocess_cfg': {key: numbers}}
    (tmp_path / CONFIG_FILE).write_text(json.dumps(config))
    (tmp_path / 'w.safetensors').write_bytes(weights)
    with pytest.raises(ModelError, match=f'no three numbers.* as {key}'):
        load_here(f'local-dir:{tmp_path}')


# A folder


def test_a_folder_has_all_that_is_needed(
    tmp_path: Path, weights: bytes
) -> None:
    name = f'local-dir:{tmp_path}'
    with pytest.raises(ModelError, match=CONFIG_FILE):
        load_here(name)
    (tmp_path / CONFIG_FILE).write_text(json.dumps(CONFIG))
    with pytest.raises(WeightsError, match='no file of weights'):
        load_here(name)
    (tmp_path / 'mine.safetensors').write_bytes(weights)
    model = load_here(name)
    assert (model.window, model.mean) == (32, (0.5, 0.25, 0.5))
    assert sliding_window(name) == (32, 16)
    (tmp_path / 'other.safetensors').write_bytes(weights)
    with pytest.raises(WeightsError, match='or several'):
        load_here(name)
    (tmp_path / 'open_clip_model.safetensors').write_bytes(weights)
    assert load_here(name).fingerprint == model.fingerprint


# A tag


def test_a_tag_brings_its_repository_activation_and_statistics() -> None:
    source = finish_locating('ViT-B-16/openai')
    # Plain GELU is what open_clip would build of this name.
    assert source.model_cfg['quick_gelu'] is True
    assert source.entry.repo == ENTRY.repo
    source = finish_locating('ViT-L-14/laion2b_s32b_b82k')
    assert source.entry.mean == source.entry.std == (0.5, 0.5, 0.5)
    assert not source.model_cfg.get('quick_gelu')


def finish_locating(name: str) -> sources.Source:
    return run_to_end(
        sources.locate(find_model(name), weights=Path('w')), None
    )


def test_a_tag_is_downloaded_by_its_repository(server: Hub) -> None:
    name = 'ViT-B-16-quickgelu/openai'
    assert find_model(name).license == 'MIT'
    with pytest.raises(WeightsMissingError, match='about 598 MB'):
        load_here(name)
    with pytest.raises(WeightsError, match=r'cut or not'):
        load_here(name, download=True)  # the hub of this test has no weights
    assert hub.find_cached(ENTRY) is not None


def test_an_unknown_tag_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ModelError, match=r"no weights 'mine'.*openai"):
        load_here('ViT-B-16/mine')


def test_other_sizes_of_a_family_have_its_license() -> None:
    entry = find_model('ViT-B-32-quickgelu/metaclip_400m')
    assert entry.forbids_commercial
    with pytest.raises(WeightsMissingError, match='forbids commercial use'):
        load_here(entry.name)
    assert not find_model('ViT-B-32/laion2b_s34b_b79k').forbids_commercial
    assert find_model('ViT-B-32/laion400m_e32').license == ''


def test_a_repository_in_the_table_keeps_what_is_known_of_it() -> None:
    known = REGISTRY['BiomedCLIP']
    entry = find_model(f'hf-hub:{known.repo}')
    assert entry.license == known.license
    assert entry.name == f'hf-hub:{known.repo}'
    # Of one with an architecture, the repository's configuration counts.
    known = REGISTRY['MobileCLIP2-B']
    entry = find_model(f'hf-hub:{known.repo}')
    assert (entry.arch, entry.forbids_commercial) == ('', True)


def test_what_a_license_forbids_is_warned_of_before_a_download(
    server: Hub,
) -> None:
    for name in ('MetaCLIP-B-16', 'hf-hub:apple/MobileCLIP-B-LT-OpenCLIP'):
        # The hub of this test has none of it.
        with (
            pytest.warns(LicenseWarning, match='forbids commercial use'),
            pytest.raises(NetworkError),
        ):
            load_here(name, download=True)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        with pytest.raises(NetworkError):
            load_here(NAME, download=True)


def test_a_repository_s_pickle_with_code_does_not_run(
    server: Hub, tmp_path: Path
) -> None:
    trace = tmp_path / 'it ran'
    path = tmp_path / 'w.bin'
    torch.save({'a': torch.ones(2), 'b': Payload(trace)}, path)
    server.others = {
        (REPO, CONFIG_FILE): json.dumps(CONFIG).encode(),
        (REPO, 'open_clip_pytorch_model.bin'): path.read_bytes(),
    }
    with pytest.raises(WeightsError, match='could run code'):
        load_here(NAME, download=True)
    assert not trace.exists()


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.path),)


# Files


def test_a_file_says_which_model_it_is_for(
    tmp_path: Path,
    clip: torch.nn.Module,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / 'w.safetensors'
    save_file(clip.state_dict(), path)
    entry = RegistryEntry(
        'tiny', 'tiny', 32, 16, arch='tiny-quickgelu', native=32,
        activation='quickgelu', mean=(0.1,) * 3, std=(0.2,) * 3,
    )  # fmt: skip
    monkeypatch.setattr(sources, 'model_config', lambda arch: TINY_CFG)
    monkeypatch.setattr(
        'napari_naclip.engine.models.match_file', lambda path: entry
    )
    model = load_here('auto', weights=path)
    assert (model.name, model.mean) == ('tiny', (0.1,) * 3)
    assert activation_of(model) is open_clip.transformer.QuickGELU
    assert 'built like tiny' in model.weights_notice
    other = load_here('auto', weights=path, activation='gelu')
    assert activation_of(other) is torch.nn.GELU


def test_a_file_for_another_model_is_told_by_its_looks(
    tmp_path: Path,
) -> None:
    config = open_clip.get_model_config('ViT-B-32')
    with torch.device('meta'):
        state = open_clip.model.CLIP(**config).state_dict()
    path = tmp_path / 'swapped.pt'
    # One number for each tensor, stretched: the file stays small.
    torch.save(
        {
            name: torch.zeros(()).expand(tensor.shape)
            for name, tensor in state.items()
        },
        path,
    )
    with pytest.raises(WeightsError) as caught:
        load_here('ViT-B-16', weights=path)
    text = str(caught.value)
    assert 'is not for ViT-B-16-quickgelu' in text
    assert 'patches of 32 px' in text
    assert 'ViT-B-32' in text


def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(ModelError, match="no activation 'relu'"):
        load_here('ViT-B-16', activation='relu')


# Places


def test_our_own_cache_has_the_weights_where_it_is_named(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = hub.weights_path(ENTRY)
    assert before.is_relative_to(Path(constants.HF_ASSETS_CACHE))
    monkeypatch.setenv('NAPARI_NACLIP_CACHE', str(tmp_path / 'ours'))
    with pytest.raises(WeightsError):
        load_here('ViT-B-16', download=True)
    path = hub.find_cached(ENTRY)
    assert path is not None
    assert path.is_relative_to(tmp_path / 'ours' / 'weights')
    assert hub.folder_variable() == 'NAPARI_NACLIP_CACHE'
    # What was downloaded before the variable was set is still found.
    path.unlink()
    before.parent.mkdir(parents=True)
    before.write_bytes(b'weights')
    assert hub.find_cached(ENTRY) == before
