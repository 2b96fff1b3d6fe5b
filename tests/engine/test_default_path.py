"""The default model, whole and offline, from a hub's cache of our own.

The cache has the hub's true layout and holds random weights of the real
ViT-B/16; the network is blocked. What comes out must be what the same weights
give when open_clip builds the model and hands it over in memory.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from napari_naclip.engine.models import CLIP_MEAN, CLIP_STD, Model, load_model
from napari_naclip.engine.segment import segment
from napari_naclip.engine.types import Settings

COMMIT = '0123456789abcdef' * 2 + '01234567'
REPO = 'models--timm--vit_base_patch16_clip_224.openai'
#: One window of 224 px and few texts: a real tower is slow on one core.
SETTINGS = Settings(detail=224, templates=('{}', 'a photo of a {}.'))
IMAGE = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
CLASSES = 'sky; tree, bush; water'


@pytest.fixture(scope='module')
def clip() -> torch.nn.Module:
    """Return the real architecture with random weights, by open_clip."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.create_model('ViT-B-16-quickgelu', pretrained=None)
    # The file holds half precision; both must start from the same numbers.
    return model.half().float()


@pytest.fixture(scope='module')
def hub_cache(
    clip: torch.nn.Module, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    cache = tmp_path_factory.mktemp('huggingface') / 'hub'
    blobs, refs = cache / REPO / 'blobs', cache / REPO / 'refs'
    snapshot = cache / REPO / 'snapshots' / COMMIT
    for folder in (blobs, refs, snapshot):
        folder.mkdir(parents=True)
    (refs / 'main').write_text(COMMIT)
    save_file(
        {name: each.half() for name, each in clip.state_dict().items()},
        blobs / ('ab' * 32),
    )
    (snapshot / 'open_clip_model.safetensors').symlink_to(
        Path('..') / '..' / 'blobs' / ('ab' * 32)
    )
    return cache


def no_network(*args: object, **kwargs: object) -> Any:
    raise AssertionError('the network was used')


@pytest.fixture(scope='module')
def model(hub_cache: Path) -> Iterator[Model]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, 'HF_HUB_CACHE', str(hub_cache))
        patch.setattr(socket.socket, 'connect', no_network)
        patch.setattr(socket, 'getaddrinfo', no_network)
        yield load_model('ViT-B-16', device='cpu', precision='float32')


def test_the_labels_are_those_of_the_weights_in_memory(
    model: Model, clip: torch.nn.Module
) -> None:
    tokenizer = open_clip.get_tokenizer('ViT-B-16-quickgelu')
    direct = load_model((clip, tokenizer), device='cpu', precision='float32')
    cached = segment(IMAGE, CLASSES, model=model, settings=SETTINGS)
    expected = segment(IMAGE, CLASSES, model=direct, settings=SETTINGS)
    np.testing.assert_array_equal(cached.labels, expected.labels)
    np.testing.assert_array_equal(cached.confidence, expected.confidence)
    assert model.fingerprint == direct.fingerprint


def test_the_activation_is_quick_gelu(
    model: Model, clip: torch.nn.Module
) -> None:
    towers = (model.tower._visual, model.text._model)
    for tower in towers:
        for block in tower.transformer.resblocks:
            assert isinstance(block.mlp.gelu, open_clip.transformer.QuickGELU)
    # And it matters: the same weights with plain GELU see something else.
    plain = open_clip.create_model('ViT-B-16', pretrained=None)
    plain.load_state_dict(clip.state_dict())
    pixels = torch.randn(
        1, 3, 32, 32, generator=torch.Generator().manual_seed(0)
    )
    wrong = load_model(
        (plain, open_clip.get_tokenizer('ViT-B-16')),
        device='cpu',
        precision='float32',
    )
    difference = wrong.tower.tokens(pixels) - model.tower.tokens(pixels)
    assert difference.abs().max() > 1e-4


def test_it_is_in_evaluation_mode_and_float32(model: Model) -> None:
    for tower in (model.tower._visual, model.text._model):
        assert not any(part.training for part in tower.modules())
        assert {each.dtype for each in tower.parameters()} == {torch.float32}


def test_the_statistics_are_those_of_the_tag(model: Model) -> None:
    assert (model.mean, model.std) == (CLIP_MEAN, CLIP_STD)
    config = open_clip.get_pretrained_cfg('ViT-B-16-quickgelu', 'openai')
    assert tuple(config.get('mean') or CLIP_MEAN) == model.mean


def test_the_windows_are_the_published_ones(model: Model) -> None:
    assert (model.window, model.stride) == (224, 112)
    assert model.name == 'ViT-B-16'
