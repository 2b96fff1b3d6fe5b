"""Words read by transformers, whose files lie in the hub's cache."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from torch.nn.functional import normalize

from napari_naclip.engine.clip import build
from napari_naclip.engine.clip.load import fingerprint
from napari_naclip.engine.clip.text import TextTower, Tokenizer
from napari_naclip.engine.entry import CONFIG_FILE
from napari_naclip.engine.errors import ModelError, WeightsMissingError
from napari_naclip.engine.models import load_model
from napari_naclip.engine.registry import REGISTRY
from napari_naclip.engine.segmenter import run_to_end
from napari_naclip.engine.tokenizer_files import (
    locate_text,
    with_own_files,
)
from napari_naclip.engine.types import ClassList

pytest.importorskip('transformers')
import tokenizers
from transformers import PreTrainedTokenizerFast

CPU = torch.device('cpu')
REPO = 'somebody/bert'
COMMIT = '0123456789abcdef0123456789abcdef01234567'
WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
WORDS += ['a', 'photo', 'of', 'sky', 'tree', 'cell', '##s', 'red', '.', 'many']
TEXTS = ['sky', 'a photo of many red trees .', '', 'cells ' * 40, 'a tree']
PLAIN = ['a photo of sky']
BERT = {
    'model_type': 'bert',
    'architectures': ['BertModel'],
    'vocab_size': len(WORDS),
    'hidden_size': 32,
    'num_hidden_layers': 2,
    'num_attention_heads': 2,
    'intermediate_size': 64,
    'max_position_embeddings': 64,
    'pad_token_id': 0,
}
CONFIG: dict[str, Any] = {
    'embed_dim': 16,
    'vision_cfg': {
        'image_size': 32,
        'layers': 2,
        'width': 32,
        'patch_size': 8,
        'head_width': 16,
    },
    'text_cfg': {
        'hf_model_name': REPO,
        'hf_tokenizer_name': REPO,
        'hf_proj_type': 'mlp',
        'hf_pooler_type': 'cls_last_hidden_state_pooler',
        'context_length': 24,
    },
}


def no_network(*_: object) -> None:
    raise AssertionError('nothing may be asked')


def write_files(folder: Path, config: dict[str, Any] = BERT) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'vocab.txt').write_text('\n'.join(WORDS))
    (folder / 'config.json').write_text(json.dumps(config))
    (folder / 'tokenizer_config.json').write_text(
        json.dumps({'tokenizer_class': 'BertTokenizer', 'do_lower_case': True})
    )


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the repository in the hub's cache."""
    folder = tmp_path / 'hub'
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(folder))
    monkeypatch.setattr(socket.socket, 'connect', no_network)
    monkeypatch.setattr(socket, 'getaddrinfo', no_network)
    repo = folder / f'models--{REPO.replace("/", "--")}'
    (repo / 'refs').mkdir(parents=True)
    (repo / 'refs' / 'main').write_text(COMMIT)
    return repo / 'snapshots' / COMMIT


def located(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with the folders that its names stand for."""
    entry = REGISTRY['BiomedCLIP']
    return run_to_end(locate_text(entry, config, download=False))


def make_clip(config: dict[str, Any] = CONFIG) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return build.build_clip(located(config))


def make_tokenizer(config: dict[str, Any]) -> Tokenizer:
    return build.make_tokenizer(located(config))


def encode(tower: TextTower, texts: list[str]) -> torch.Tensor:
    rows: dict[int, torch.Tensor] = {}
    for indices, embeddings in tower.encode(texts):
        rows.update(zip(indices, embeddings, strict=True))
    return torch.stack([rows[index] for index in range(len(texts))])


@pytest.mark.parametrize(
    'pooler',
    ['cls_last_hidden_state_pooler', 'cls_pooler', 'mean_pooler'],
)
def test_short_batches_equal_the_full_length(cache: Path, pooler: str) -> None:
    write_files(cache)
    text = CONFIG['text_cfg'] | {'hf_pooler_type': pooler}
    clip = make_clip(CONFIG | {'text_cfg': text})
    tokenizer = make_tokenizer(CONFIG)
    tokens = tokenizer(TEXTS)
    assert tokens.shape == (5, 24)
    with torch.no_grad():
        expected = normalize(clip.encode_text(tokens), dim=-1)
    tower = TextTower(clip, tokenizer, device=CPU)
    torch.testing.assert_close(
        encode(tower, TEXTS), expected, atol=1e-5, rtol=0
    )
    # [CLS] a photo of many red tree ##s . [SEP]; the long text fills it.
    assert tower._lengths(tokens).tolist() == [3, 10, 2, 24, 4]


@pytest.mark.parametrize(('count', 'is_cut'), [(22, False), (23, True)])
def test_only_what_was_cut_is_told(
    cache: Path, count: int, is_cut: bool
) -> None:
    write_files(cache)
    tower = TextTower(make_clip(), make_tokenizer(CONFIG), device=CPU)
    assert tower.is_cut('sky ' * count) == is_cut


SIGLIP: dict[str, Any] = {
    'vocab_size': 16,
    'width': 32,
    'heads': 2,
    'layers': 2,
    'context_length': 12,
    'no_causal_mask': True,
    'pool_type': 'last',
    'hf_tokenizer_name': REPO,
    'tokenizer_kwargs': {'clean': 'canonicalize'},
}


def test_siglip_s_words_are_made_plain_first(cache: Path) -> None:
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    backend = tokenizers.Tokenizer(
        tokenizers.models.WordLevel(vocabulary, unk_token='[UNK]')
    )
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    # The files of a tokenizer alone: no configuration of a model lies there.
    PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token='[PAD]', unk_token='[UNK]'
    ).save_pretrained(cache)
    assert not (cache / 'config.json').exists()
    config = CONFIG | {'text_cfg': SIGLIP, 'custom_text': True}
    tokenizer = make_tokenizer(config)
    assert torch.equal(tokenizer(['A Photo, of SKY!']), tokenizer(PLAIN))
    clip = make_clip(config)
    with torch.no_grad():
        expected = clip.encode_text(tokenizer(TEXTS), normalize=True)
    tower = TextTower(clip, tokenizer, device=CPU)
    torch.testing.assert_close(
        encode(tower, TEXTS), expected, atol=1e-5, rtol=0
    )
    assert not tower.is_cut('sky ' * 12)
    assert tower.is_cut('sky ' * 13)


def test_a_folder_brings_its_own_words(cache: Path, tmp_path: Path) -> None:
    write_files(cache)
    folder = tmp_path / 'model'
    write_files(folder)
    (folder / CONFIG_FILE).write_text(json.dumps({'model_cfg': CONFIG}))
    save_file(make_clip().state_dict(), folder / 'open_clip_model.safetensors')
    model = load_model(
        f'local-dir:{folder}', device='cpu', precision='float32'
    )
    classes = ClassList.from_text('sky; tree')
    embeddings = run_to_end(model.embed(classes.queries, ['{}', 'a {}']))
    assert embeddings.shape == (2, 16)
    assert not any('cut off' in each for each in model.notices(classes, None))
    # Other words make another model, whose texts are not those kept.
    (folder / 'vocab.txt').write_text('\n'.join(WORDS).replace('sky', 'sea'))
    other = load_model(
        f'local-dir:{folder}', device='cpu', precision='float32'
    )
    assert other.fingerprint != model.fingerprint


def test_a_folder_is_enough_without_the_hub_s_cache(tmp_path: Path) -> None:
    folder = tmp_path / 'model'
    write_files(folder)
    own = with_own_files(CONFIG, folder)
    assert make_tokenizer(own)(['sky']).shape == (1, 24)
    make_clip(own)
    (folder / 'config.json').write_text(
        json.dumps({'model_type': 'clip', 'text_config': {}})
    )
    names = with_own_files(CONFIG, folder)['text_cfg']
    assert names['hf_model_name'] == REPO
    assert names['hf_tokenizer_name'] == folder


def in_cache(cache: Path, repo: str) -> Path:
    """Return the folder of a repository in the hub's cache, made."""
    folder = cache.parents[2] / f'models--{repo.replace("/", "--")}'
    (folder / 'refs').mkdir(parents=True, exist_ok=True)
    (folder / 'refs' / 'main').write_text(COMMIT)
    (folder / 'snapshots' / COMMIT).mkdir(parents=True, exist_ok=True)
    return folder / 'snapshots' / COMMIT


def test_biomedclip_comes_from_the_hub_s_cache(cache: Path) -> None:
    entry = REGISTRY['BiomedCLIP']
    words = 'microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract'
    write_files(in_cache(cache, words))
    # As in its repository, but for the sizes.
    config = CONFIG | {
        'vision_cfg': {
            'timm_model_name': 'vit_tiny_patch16_224',
            'timm_model_pretrained': False,
            'timm_pool': '',
            'timm_proj': 'linear',
            'image_size': 224,
        },
        'text_cfg': CONFIG['text_cfg']
        | {'hf_model_name': words, 'hf_tokenizer_name': words},
    }
    folder = in_cache(cache, entry.repo)
    (folder / CONFIG_FILE).write_text(json.dumps({'model_cfg': config}))
    clip = make_clip(config)
    counted = {
        'text.transformer.embeddings.position_ids': torch.arange(64)[None]
    }
    torch.save(
        clip.state_dict() | counted, folder / 'open_clip_pytorch_model.bin'
    )
    model = load_model('BiomedCLIP', device='cpu', precision='float32')
    pixels = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        expected = clip.encode_image(pixels, normalize=True)
    torch.testing.assert_close(
        model.tower.window_embeddings(pixels), expected, atol=1e-5, rtol=0
    )
    embeddings = run_to_end(model.embed(['cell', 'red tree'], ['a {}']))
    with torch.no_grad():
        tokens = make_tokenizer(config)(['a cell', 'a red tree'])
        texts = normalize(clip.encode_text(tokens), dim=-1)
    torch.testing.assert_close(embeddings, texts, atol=1e-5, rtol=0)


def test_the_fingerprint_tells_how_words_are_read(cache: Path) -> None:
    write_files(cache)
    tokenizer = make_tokenizer(CONFIG)
    last = CONFIG['text_cfg'] | {'hf_proj_type': 'linear'}
    first = last | {'hf_pooler_type': 'cls_pooler'}
    clips = [
        make_clip(CONFIG | {'text_cfg': text}) for text in (last, last, first)
    ]
    write_files(cache, BERT | {'num_attention_heads': 4})
    clips.append(make_clip(CONFIG | {'text_cfg': last}))
    for clip in clips[1:]:
        clip.load_state_dict(clips[0].state_dict(), strict=False)
    found = [fingerprint(each, tokenizer) for each in clips]
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_files_that_are_not_here_are_offered_for_the_model(
    cache: Path,
) -> None:
    with pytest.raises(WeightsMissingError, match=REPO) as caught:
        located(CONFIG)
    assert caught.value.model == 'BiomedCLIP'


@pytest.mark.parametrize('make', [build.build_clip, build.make_tokenizer])
def test_a_path_that_a_configuration_names_is_not_opened(
    cache: Path, make: Callable[[dict[str, Any]], object]
) -> None:
    write_files(cache)
    names = dict.fromkeys(('hf_tokenizer_name', 'hf_model_name'), str(cache))
    text = CONFIG['text_cfg'] | names
    with pytest.raises(ModelError, match='were not looked for'):
        make(CONFIG | {'text_cfg': text})


def test_damaged_files_are_said(cache: Path) -> None:
    write_files(cache)
    (cache / 'tokenizer_config.json').write_text('{')
    with pytest.raises(ModelError, match=r'tokenizer .* cannot be read'):
        make_tokenizer(CONFIG)
    (cache / 'config.json').write_text('{')
    with pytest.raises(ModelError, match='text tower cannot be read'):
        make_clip()


@pytest.mark.parametrize('kind', ['bert_of_tomorrow', 7, None])
def test_a_text_tower_of_another_kind_is_said(
    cache: Path, kind: object
) -> None:
    write_files(cache, BERT | {'model_type': kind})
    with pytest.raises(ModelError, match=r'text tower .* cannot be built'):
        make_clip()


def test_a_setting_of_tomorrow_is_said(cache: Path) -> None:
    write_files(cache)
    text = CONFIG['text_cfg'] | {'hf_pooler_type': 'guess'}
    with pytest.raises(ModelError, match='cannot be built'):
        make_clip(CONFIG | {'text_cfg': text})


def test_code_of_a_repository_is_never_run(
    cache: Path, tmp_path: Path
) -> None:
    write_files(cache, BERT | {'auto_map': {'AutoModel': 'words.Model'}})
    ran = tmp_path / 'ran'
    (cache / 'words.py').write_text(f'open({str(ran)!r}, "w")\nModel = 1')
    with pytest.raises(ModelError, match='code of its own'):
        make_clip()
    (cache / 'tokenizer_config.json').write_text(
        json.dumps({'auto_map': {'AutoTokenizer': ['words.Model', None]}})
    )
    # Where transformers knows a kind of its own, it takes that one.
    with contextlib.suppress(ModelError):
        make_tokenizer(CONFIG)
    assert not ran.exists()
