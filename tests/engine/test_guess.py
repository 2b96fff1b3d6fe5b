"""Which model a file of weights looks like."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from napari_naclip.engine.entry import CONFIG_FILE
from napari_naclip.engine.errors import ModelError, WeightsError
from napari_naclip.engine.guess import guess_file, guess_shapes, match_file
from napari_naclip.engine.hub import weights_folder
from napari_naclip.engine.models import load_model
from napari_naclip.engine.registry import REGISTRY, find_model

#: One of each kind, and the models that are built like it.
EXAMPLES = {
    'ViT-B-16': ('ViT-B-16', 'ViT-B-16-quickgelu'),
    'ViT-B-32': ('ViT-B-32', 'ViT-B-32-quickgelu'),
    'ViT-L-14-336': ('ViT-L-14-336', 'ViT-L-14-336-quickgelu'),
}
#: Models that only their repository says to be built so.
ON_THE_HUB = {
    'ViT-B-16': {'QuiltNet-B-16', 'BioCLIP'},
    'ViT-B-32': {'QuiltNet-B-32'},
    'ViT-L-14-336': set(),
}

pytestmark = pytest.mark.usefixtures('empty_hub')


@functools.cache
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
    assert guess.architectures == EXAMPLES[arch]
    built = {e.name for e in REGISTRY.values() if e.arch in EXAMPLES[arch]}
    built |= ON_THE_HUB[arch]
    assert set(guess.models) == built
    # The paper's own comes first.
    assert guess.models[0] == arch
    for entry in REGISTRY.values():
        assert guess.fits(entry) == (entry.name in built)


def test_a_configuration_on_this_machine_tells_what_is_built_so(
    tmp_path: Path,
) -> None:
    entry = find_model('hf-hub:somebody/a-model')
    config = open_clip.get_model_config('ViT-B-32')
    guess = guess_shapes(shapes_of('ViT-B-32'), 'F')
    assert guess.fits(entry) is None
    path = weights_folder() / 'somebody--a-model' / CONFIG_FILE
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({'model_cfg': config}))
    assert guess.fits(entry) is True
    assert guess_shapes(shapes_of('ViT-B-16'), 'F').fits(entry) is False
    path.write_text('{')
    assert guess.fits(entry) is None
    (tmp_path / CONFIG_FILE).write_text(json.dumps({'model_cfg': config}))
    assert guess.fits(find_model(f'local-dir:{tmp_path}')) is True


@pytest.mark.parametrize(
    'extra', ['text_decoder.resblocks.0.ln_1.weight', 'visual.attn_pool.query']
)
def test_towers_with_other_parts_are_not_taken_for_plain_ones(
    extra: str,
) -> None:
    shapes = shapes_of('ViT-B-32') | {extra: (8, 8)}
    guess = guess_shapes(shapes, 'F')
    assert (guess.models, guess.architectures) == ((), ())
    plain = guess_shapes(shapes_of('ViT-B-32'), 'F')
    for arch in ('roberta-ViT-B-32', 'coca_ViT-B-32'):
        entry = REGISTRY['ViT-B-32']
        other = dataclasses.replace(entry, arch=arch, parameters=0)
        assert plain.fits(other) is False


def bert_shapes() -> dict[str, tuple[int, ...]]:
    """Return the shapes of a text tower as large as PubMedBERT's."""
    name = 'text.transformer.embeddings'
    return {
        f'{name}.word_embeddings.weight': (30522, 768),
        # The rest of its 108 891 648 weights, in one.
        f'{name}.rest': (108_891_648 - 30522 * 768,),
        f'{name}.position_ids': (1, 512),
        'text.proj.0.weight': (640, 768),
        'text.proj.2.weight': (512, 640),
        'logit_scale': (),
    }


def test_models_that_read_with_a_bert_are_found() -> None:
    trunk = {'visual.trunk.blocks.0.a': (85_798_656,)}
    biomedclip = trunk | {'visual.head.proj.weight': (512, 768)}
    guess = guess_shapes(biomedclip | bert_shapes(), 'F')
    assert guess.models == ('BiomedCLIP',)
    quiltnet = {
        name: shape
        for name, shape in shapes_of('ViT-B-16').items()
        if name.startswith('visual.')
    }
    guess = guess_shapes(quiltnet | bert_shapes(), 'F')
    assert guess.models == ('QuiltNet-B-16-PMB',)


@pytest.mark.parametrize(
    ('arch', 'source', 'model'),
    [
        ('ViT-B-16', 'mine.pt', 'ViT-B-16'),
        ('ViT-B-16', 'vit_b_16-laion400m_e31.pt', 'LAION-B-16'),
        ('ViT-B-16', 'a/CLIP-ViT-B-16-DataComp.XL.bin', 'DataComp-B-16'),
        ('ViT-B-16', 'metaclip_b16/open_clip_model.bin', 'MetaCLIP-B-16'),
        (
            'ViT-B-16',
            'models--laion--CLIP-ViT-B-16-DataComp.XL-s13B-b90K/open_clip.bin',
            'DataComp-B-16',
        ),
        ('ViT-B-32', 'RemoteCLIP-ViT-B-32.pt', 'RemoteCLIP-B-32'),
        ('ViT-B-32', 'RS5M_ViT-B-32.pt', 'GeoRSCLIP-B-32'),
        ('ViT-B-32', 'quiltnet.bin', 'QuiltNet-B-32'),
    ],
)
def test_of_models_built_alike_the_name_tells(
    arch: str, source: str, model: str
) -> None:
    assert guess_shapes(shapes_of(arch), source).models[0] == model


def test_openai_s_own_files_are_known_by_their_form(tmp_path: Path) -> None:
    path = tmp_path / 'laion.pt'
    state = {
        name: torch.zeros(()).expand(shape)
        for name, shape in shapes_of('ViT-B-16').items()
    }
    torch.save(state, path)
    assert match_file(path).name == 'LAION-B-16'
    torch.save(state | {'input_resolution': torch.tensor(224)}, path)
    assert match_file(path).activation == 'quickgelu'


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
