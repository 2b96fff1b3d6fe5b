"""``napari-naclip models``, and models that are typed."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from hub_server import ENTRY, Hub, fill_cache, no_network, point_to, serving
from napari_naclip.cli.console import format_size
from napari_naclip.engine import hub
from napari_naclip.engine.clip import load
from napari_naclip.engine.entry import CONFIG_FILE
from napari_naclip.engine.models import load_model
from napari_naclip.engine.registry import MODEL_NAMES, REGISTRY
from napari_naclip.engine.segmenter import run_to_end
from tiny_clip import TINY_CFG

REPO = 'somebody/a-model'

pytestmark = pytest.mark.usefixtures('empty_hub')


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving() as server:
        point_to(monkeypatch, server.url)
        server.others = {
            (REPO, CONFIG_FILE): json.dumps({'model_cfg': TINY_CFG}).encode(),
            (REPO, 'open_clip_model.safetensors'): save(
                load.build_clip(TINY_CFG).state_dict()
            ),
        }
        yield server


@pytest.mark.parametrize('argv', [('models',), ('models', 'list')])
def test_the_list(run, monkeypatch, tmp_path, argv):
    monkeypatch.setattr(socket.socket, 'connect', no_network)
    here = tmp_path / 'here'
    here.write_text('')
    cached = next(iter(REGISTRY))
    monkeypatch.setattr(
        hub,
        'find_cached',
        lambda entry: here if entry.name == cached else None,
    )
    done = run(*argv)
    assert (done.status, done.err) == (0, '')
    lines = done.out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == list(MODEL_NAMES)
    for line, entry in zip(lines, REGISTRY.values(), strict=False):
        state = line.replace('(default)', '').split()[1]
        assert state == ('yes' if entry.name == cached else 'no')
        for text in (entry.title, entry.domain, entry.terms, entry.note):
            assert text in line
        assert ('Needs the package' in line) == entry.needs_transformers
        assert format_size(entry.download_size) in line
    assert 'bundled' in lines[-1]


def test_one_model_is_described(run, monkeypatch):
    monkeypatch.setattr(socket.socket, 'connect', no_network)
    done = run('models', 'show', 'MetaCLIP-B-16', f'hf-hub:{REPO}', 'demo')
    assert (done.status, done.err) == (0, '')
    for text in (
        'CC-BY-NC-4.0: no commercial use',
        'ViT-B-16-quickgelu/metaclip_fullcc',
        'https://arxiv.org/abs/2309.16671',
        f'hub         {REPO}',
        'not known: look at its page',
        'demo: comes along',
    ):
        assert text in done.out
    assert 'no model' in run('models', 'show', 'nothing').error


def test_the_size_is_asked_of_the_hub_where_that_is_wanted(run, server):
    name = f'hf-hub:{REPO}'
    done = run('models', 'show', name, ENTRY.name)
    assert 'download    not known' in done.out
    assert 'download    about 598 MB' in done.out
    assert not server.requests
    done = run('models', 'show', '--ask', name, 'ViT-B-16/openai')
    size = len(server.others[REPO, 'open_clip_model.safetensors'])
    assert f'download    {format_size(size)}, says the hub' in done.out
    # The whole file of this test's hub.
    assert 'download    6.3 MB, says the hub' in done.out
    assert all(line.startswith('HEAD') for line in server.requests)
    assert 'The hub has no' in run('models', 'show', '--ask', 'DFN-B-16').error


def test_a_download_prepares_a_machine_that_will_be_offline(
    run, server, monkeypatch, photo, tmp_path
):
    name = f'hf-hub:{REPO}'
    argv = ('segment', photo, '--classes', 'sand; road', '--model', name)
    assert '--download' in run(*argv, '-o', 'a.tif').error
    done = run('models', 'download', name, '--no-progress')
    assert (done.status, done.err) == (0, '')
    (path,) = (tmp_path / 'cache' / 'weights').rglob('*.safetensors')
    assert done.out.startswith(f'{name}: {path} (')
    monkeypatch.setattr(socket.socket, 'connect', no_network)
    done = run(*argv, '-o', 'a.tif', '--detail', '32', '--no-progress')
    assert done.status == 0, done.err
    recipe = json.loads(Path('a.json').read_text())
    assert recipe['recipe']['model']['name'] == name


WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'sky', 'tree']
BERT = {
    'model_type': 'bert',
    'vocab_size': len(WORDS),
    'hidden_size': 32,
    'num_hidden_layers': 2,
    'num_attention_heads': 2,
    'intermediate_size': 64,
    'max_position_embeddings': 64,
}
#: Without a kind: it is told by the tower's configuration.
TOKENIZER = {
    'vocab.txt': '\n'.join(WORDS),
    'config.json': json.dumps(BERT),
    'tokenizer_config.json': json.dumps({'do_lower_case': True}),
}


def test_a_download_brings_what_reads_the_words(
    run, server, tmp_path, monkeypatch
):
    pytest.importorskip('transformers')
    words, own = 'somebody/bert', tmp_path / 'bert'
    own.mkdir()
    for file, text in TOKENIZER.items():
        (own / file).write_text(text)
        server.others[words, file] = text.encode()
    text_cfg = {
        'hf_proj_type': 'mlp',
        'hf_pooler_type': 'cls_last_hidden_state_pooler',
        'context_length': 16,
    }
    keys = ('hf_tokenizer_name', 'hf_model_name')
    here, there = (
        TINY_CFG | {'text_cfg': text_cfg | dict.fromkeys(keys, place)}
        for place in (own, words)
    )
    clip = load.build_clip(here)
    server.others |= {
        (REPO, CONFIG_FILE): json.dumps({'model_cfg': there}).encode(),
        (REPO, 'open_clip_model.safetensors'): save(clip.state_dict()),
    }
    name = f'hf-hub:{REPO}'
    done = run('models', 'download', name, '--no-progress')
    assert (done.status, done.err) == (0, '')
    monkeypatch.setattr(socket.socket, 'connect', no_network)
    monkeypatch.setattr(socket, 'getaddrinfo', no_network)
    model = load_model(name, device='cpu', precision='float32')
    found = run_to_end(model.embed(['sky', 'Tree'], ['a {}']))
    tokens = torch.tensor([[2, 5, 6, 3], [2, 5, 7, 3]])
    with torch.no_grad():
        expected = clip.encode_text(tokens, normalize=True)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_a_license_without_commerce_is_said_before_the_download(
    run, server, monkeypatch
):
    entry = REGISTRY['MetaCLIP-B-16']
    server.others = {(entry.repo, entry.files[0]): b'weights'}
    done = run('models', 'download', entry.name, '--no-progress')
    assert done.status == 0
    assert done.err.startswith('note: the license of MetaCLIP-B-16 (CC-BY-NC')
    assert 'forbids commercial use' in done.err
    # Here already: nothing is to be decided any more.
    assert run('models', 'download', entry.name, '--no-progress').err == ''
    server.others = {}
    done = run('models', 'download', ENTRY.name, '--no-progress')
    assert (done.status, done.err) == (0, '')


def test_it_is_said_before_a_run_too(run, server, photo):
    argv = ('segment', photo, '--classes', 'a; b', '-o', 'o.tif')
    done = run(*argv, '--model', 'MetaCLIP-B-16')
    assert 'forbids commercial use' in done.error
    done = run(*argv, '--model', 'MetaCLIP-B-16', '--download')
    first, second = done.err.splitlines()
    assert first.startswith('note: the license')
    assert second.startswith('napari-naclip: error: The hub has no')


def test_a_folder_s_place_is_in_no_recipe(run, server, photo, tmp_path):
    folder = tmp_path / 'a-secret' / 'model'
    folder.mkdir(parents=True)
    for (_, file), content in server.others.items():
        (folder / file).write_bytes(content)
    done = run(
        *('segment', photo, '--classes', 'sand; road', '-o', 'a.tif'),
        *('--model', f'local-dir:{folder}', '--detail', '32'),
    )
    assert done.status == 0, done.err
    text = Path('a.json').read_text()
    assert 'a-secret' not in text
    assert json.loads(text)['recipe']['model']['name'] == 'local-dir:model'


def test_the_hub_s_own_variables_are_honored(run_process, server, tmp_path):
    name = f'hf-hub:{REPO}'
    places = {
        'HF_ENDPOINT': server.url,
        'NAPARI_NACLIP_CACHE': '',
        'HF_HOME': str(tmp_path / 'home'),
    }
    done = run_process('models', 'download', name, **places)
    assert (done.status, done.err) == (0, '')
    (path,) = (tmp_path / 'home').rglob('*.safetensors')
    assert str(path) in done.out
    # What other programs have put into another cache is found there.
    places['HF_HOME'] = str(tmp_path / 'new')
    cache = tmp_path / 'elsewhere'
    show = ('models', 'show', ENTRY.name)
    assert 'here        no' in run_process(*show, **places).out
    fill_cache(cache)
    done = run_process(*show, **places, HF_HUB_CACHE=str(cache))
    assert 'here        yes' in done.out
