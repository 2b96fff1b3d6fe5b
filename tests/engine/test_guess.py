"""Which model a file of weights looks like."""

from __future__ import annotations

from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from napari_naclip.engine.errors import ModelError, WeightsError
from napari_naclip.engine.guess import guess_file, guess_shapes, match_file
from napari_naclip.engine.models import load_model
from napari_naclip.engine.registry import REGISTRY

#: One of each kind, and the models that are built like it.
EXAMPLES = {
    'ViT-B-16': ('ViT-B-16', 'ViT-B-16-quickgelu'),
    'ViT-B-32': ('ViT-B-32', 'ViT-B-32-quickgelu'),
    'ViT-L-14-336': ('ViT-L-14-336', 'ViT-L-14-336-quickgelu'),
}


def shapes_of(arch: str) -> dict[str, tuple[int, ...]]:
    config = open_clip.get_model_config(arch)
    kind = (
        open_clip.model.CustomTextCLIP
        if config.pop('custom_text', False)
        else open_clip.model.CLIP
    )
    with torch.device('meta'):
        state = kind(**config).state_dict()
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


@pytest.mark.parametrize('arch', EXAMPLES)
def test_open_clip_s_own_towers_are_told_apart(arch: str) -> None:
    guess = guess_shapes(shapes_of(arch), 'F')
    assert set(EXAMPLES[arch]) <= set(guess.architectures)
    built = {e.name for e in REGISTRY.values() if e.arch in EXAMPLES[arch]}
    assert set(guess.models) == built
    # The paper's own comes first.
    assert guess.models[0] == arch
    for entry in REGISTRY.values():
        if entry.arch:
            assert guess.fits(entry) == (entry.name in built)


def test_the_structure_is_said_in_words() -> None:
    text = guess_shapes(shapes_of('ViT-L-14-336'), 'F').text
    for part in ('14 px', 'width 1024', '24 blocks', '336 px', 'width 768'):
        assert part in text


def test_a_custom_text_tower_has_other_names() -> None:
    shapes = {
        name if name.startswith(('visual.', 'logit')) else f'text.{name}': each
        for name, each in shapes_of('ViT-B-16').items()
    }
    assert 'ViT-B-16' in guess_shapes(shapes, 'F').models


@pytest.mark.parametrize('arch', ['MobileCLIP2-B', 'ViT-B-16-SigLIP'])
def test_timm_s_towers_are_told_by_their_weights(arch: str) -> None:
    guess = guess_shapes(shapes_of(arch), 'F')
    built = {e.name for e in REGISTRY.values() if e.arch == arch}
    assert built <= set(guess.models)
    assert '12 blocks' in guess.text


@pytest.mark.parametrize(
    ('names', 'reason'),
    [
        (('visual.layer1.0.conv1.weight',), 'a ResNet'),
        (('vision_model.encoder.a',), 'package transformers'),
        (('decoder.weight',), 'no image tower'),
        ((), 'no image tower'),
    ],
)
def test_what_is_no_clip_is_refused(
    names: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(WeightsError, match=reason):
        guess_shapes(dict.fromkeys(names, (1,)), 'F')


def test_a_structure_in_no_list_is_said(
    tmp_path: Path, tiny_clip: torch.nn.Module
) -> None:
    path = tmp_path / 'w.safetensors'
    save_file(tiny_clip.state_dict(), path)
    assert guess_file(path).models == ()
    with pytest.raises(ModelError, match=r'width 32, 2 blocks.*none of'):
        match_file(path)


def test_auto_needs_a_file() -> None:
    with pytest.raises(ModelError, match='Choose the file'):
        load_model('auto', device='cpu')
