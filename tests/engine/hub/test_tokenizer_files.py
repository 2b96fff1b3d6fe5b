"""Tokenizers of models that do not have CLIP's own, from the hub."""

from __future__ import annotations

import errno
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from hub_server import (
    COMMIT,
    ENTRY,
    SOON,
    Hub,
    fill_cache,
    no_network,
    point_to,
)
from napari_naclip.engine import hub
from napari_naclip.engine.errors import (
    ModelError,
    NetworkError,
    StorageError,
    WeightsMissingError,
)
from napari_naclip.engine.part import Part
from napari_naclip.engine.segmenter import run_to_end
from napari_naclip.engine.tokenizer_files import (
    find_folder,
    locate_text,
    text_sources,
    with_own_files,
)
from napari_naclip.engine.types import Progress

REPO = 'somebody/bert'
CONFIG = {'text_cfg': {'hf_tokenizer_name': REPO}}
TOWER = {'text_cfg': {'hf_tokenizer_name': REPO, 'hf_model_name': REPO}}
FILES = ('config.json', 'vocab.txt', 'tokenizer_config.json')
#: Bytes of the words in the tests of what happens on the way.
MANY = 3_000_000


def fetch(
    *, download: bool = True, config: dict[str, Any] = CONFIG
) -> tuple[Path, list[Progress]]:
    """Locate to the end; return the folder and what was told."""
    seen: list[Progress] = []
    steps = locate_text(ENTRY, config, download=download)
    found = run_to_end(steps, seen.append)
    return found['text_cfg']['hf_tokenizer_name'], seen


def publish(server: Hub, *files: str) -> None:
    server.others = {(REPO, file): file.encode() for file in files}


def publish_words(server: Hub) -> bytes:
    """Have a tokenizer whose words take a while; return them."""
    publish(server, *FILES)
    words = bytes(range(250)) * (MANY // 250)
    server.others[REPO, 'vocab.txt'] = words
    return words


def asked_for(server: Hub, command: str) -> list[str]:
    return [
        each.rpartition('/')[2]
        for each in server.requests
        if each.startswith(command)
    ]


@pytest.mark.parametrize(
    'files',
    [
        FILES,
        ('tokenizer.json',),
        ('spiece.model', 'tokenizer_config.json'),
        ('merges.txt', 'vocab.json'),
    ],
)
def test_what_a_repository_has_is_fetched_once(
    server: Hub, monkeypatch: pytest.MonkeyPatch, files: tuple[str, ...]
) -> None:
    publish(server, *files)
    with pytest.raises(WeightsMissingError, match='tokenizer of ViT-B-16'):
        fetch(download=False)
    assert not server.requests
    folder, seen = fetch()
    assert folder == find_folder(REPO)
    assert folder.is_relative_to(hub.weights_folder())
    for file in files:
        assert (folder / file).read_text() == file
    total = sum(map(len, files))
    assert seen[-1] == Progress('download', total, total)
    assert sorted(asked_for(server, 'GET')) == sorted(files)
    monkeypatch.setattr(socket.socket, 'connect', no_network)
    assert fetch(download=False)[0] == folder


def test_the_named_cache_has_them(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(server, *FILES)
    before, _ = fetch()
    # What was downloaded before the variable was set is still found.
    monkeypatch.setenv('NAPARI_NACLIP_CACHE', str(tmp_path / 'ours'))
    assert find_folder(REPO) == before
    (before / 'vocab.txt').unlink()
    after, _ = fetch()
    assert after.is_relative_to(tmp_path / 'ours' / 'weights')


@pytest.mark.parametrize('failing', range(3))
def test_a_fetch_that_broke_off_is_done_again(
    server: Hub, failing: int
) -> None:
    publish(server, *FILES)
    real, came = server.find, list[str]()

    def fail_at_one(path: str) -> bytes | None:
        server.status = 200
        if server.requests[-1].startswith('GET'):
            if path not in came:
                came.append(path)
            if came.index(path) == failing:
                server.status = 403
        return real(path)

    server.find = fail_at_one
    with pytest.raises(NetworkError, match='answered with an error'):
        fetch()
    assert len(came) == failing + 1
    assert find_folder(REPO) is None
    server.find, server.status = real, 200
    server.requests.clear()
    folder, _ = fetch()
    assert folder == find_folder(REPO)
    assert len(asked_for(server, 'GET')) == len(FILES) - failing


def test_all_files_are_of_one_commit(server: Hub) -> None:
    publish(server, *FILES)
    fetch()
    later = [each for each in server.requests if '/main/' not in each]
    assert server.requests[0].endswith('/main/tokenizer_config.json')
    assert len(later) == len(server.requests) - 1
    assert all(f'/{COMMIT}/' in each for each in later)


def test_files_that_were_changed_or_removed_are_not_taken(
    server: Hub,
) -> None:
    publish(server, *FILES)
    folder, _ = fetch()
    (folder / 'vocab.txt').write_text('')
    assert find_folder(REPO) is None
    (folder / 'vocab.txt').unlink()
    assert find_folder(REPO) is None
    assert fetch()[0] == folder
    (folder / 'complete.json').write_text('[')
    assert find_folder(REPO) is None


@pytest.mark.parametrize(
    ('files', 'config'),
    [
        ((), CONFIG),
        (('config.json', 'tokenizer_config.json', 'vocab.json'), CONFIG),
        (('tokenizer_config.json', 'vocab.txt'), TOWER),
    ],
)
def test_a_repository_without_what_is_needed_is_said(
    server: Hub, files: tuple[str, ...], config: dict[str, Any]
) -> None:
    publish(server, *files)
    with pytest.raises(NetworkError, match='has no such files'):
        fetch(config=config)
    assert not asked_for(server, 'GET')


# On the way


def test_a_cancel_is_answered_at_once_and_the_next_try_goes_on(
    server: Hub,
) -> None:
    words = publish_words(server)
    server.stall_after = 1 << 20
    steps = locate_text(ENTRY, CONFIG, download=True)
    for progress in steps:
        if progress.done >= 1 << 20:
            break
    started = time.monotonic()
    steps.close()
    assert time.monotonic() - started < 1
    assert find_folder(REPO) is None
    server.stall_after = sys.maxsize
    folder, _ = fetch()
    assert (folder / 'vocab.txt').read_bytes() == words
    assert server.ranges[-1] == f'bytes={1 << 20}-'


def test_a_stalled_or_broken_connection_is_opened_anew(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, 'HF_HUB_DOWNLOAD_TIMEOUT', 1)
    words = publish_words(server)
    server.stall_after = 2 << 20
    assert (fetch()[0] / 'vocab.txt').read_bytes() == words
    assert f'bytes={2 << 20}-' in server.ranges
    server.stall_after, server.break_after = sys.maxsize, 1_500_000
    server.others[REPO, 'vocab.txt'] = other = words[::-1]
    (find_folder(REPO) or Path()).joinpath('complete.json').unlink()
    folder, seen = fetch()
    assert (folder / 'vocab.txt').read_bytes() == other
    done = [progress.done for progress in seen]
    assert done == sorted(done)


def test_other_bytes_than_announced_are_never_used(server: Hub) -> None:
    words = publish_words(server)
    server.sent = words[::-1]
    with pytest.raises(NetworkError):
        fetch()
    assert find_folder(REPO) is None
    server.sent = None
    assert (fetch()[0] / 'vocab.txt').read_bytes() == words


def test_no_server_at_all_is_told_in_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.socket() as unused:
        unused.bind(('127.0.0.1', 0))
        point_to(monkeypatch, f'http://127.0.0.1:{unused.getsockname()[1]}')
        started = time.monotonic()
        with pytest.raises(NetworkError, match='Check the connection') as told:
            fetch()
        assert time.monotonic() - started < SOON
    assert "ViT-B-16's tokenizer" in str(told.value)
    assert 'from a file' not in str(told.value)


def test_offline_mode_is_obeyed(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
    with pytest.raises(NetworkError, match='HF_HUB_OFFLINE'):
        fetch()
    assert not server.requests


def test_a_full_disk_is_told_as_one(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(server, *FILES)

    def fail(self: Part, chunk: bytes) -> None:
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(Part, 'write', fail)
    with pytest.raises(StorageError, match='No space left'):
        fetch()
    assert find_folder(REPO) is None


# The hub's cache


def test_what_other_programs_fetched_is_taken(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket.socket, 'connect', no_network)
    for file in FILES:
        link = fill_cache(cache, file.encode(), repo=REPO, file=file)
    assert fetch(download=False, config=TOWER)[0] == link.parent


@pytest.mark.parametrize(
    ('files', 'absent', 'is_tower', 'is_whole'),
    [
        (('config.json', 'vocab.txt'), (), False, False),
        (('config.json', 'vocab.txt'), FILES[2:], False, True),
        (('tokenizer_config.json', 'vocab.txt'), (), False, False),
        (('tokenizer_config.json', 'vocab.txt'), FILES[:1], False, True),
        (('tokenizer_config.json', 'vocab.txt'), FILES[:1], True, False),
        (('tokenizer_config.json', 'config.json'), (), False, False),
        ((*FILES[::2], 'vocab.json'), (), False, False),
        ((*FILES[::2], 'vocab.json', 'merges.txt'), (), False, True),
        ((*FILES[::2], 'tokenizer.json'), (), True, True),
        (('tokenizer.json',), (), False, False),
    ],
)
def test_half_of_a_tokenizer_in_the_hub_s_cache_is_none(
    cache: Path,
    files: tuple[str, ...],
    absent: tuple[str, ...],
    is_tower: bool,
    is_whole: bool,
) -> None:
    for file in files:
        link = fill_cache(cache, file.encode(), repo=REPO, file=file)
    # How the hub's library remembers what a repository does not have.
    for file in absent:
        path = link.parents[2] / '.no_exist' / COMMIT / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = find_folder(REPO, is_tower=is_tower)
    assert found == (link.parent if is_whole else None)


def test_the_kind_in_the_options_is_enough(cache: Path) -> None:
    fill_cache(cache, repo=REPO, file='vocab.txt')
    link = fill_cache(
        cache,
        b'{"tokenizer_class": "BertTokenizer"}',
        repo=REPO,
        file='tokenizer_config.json',
    )
    assert find_folder(REPO) == link.parent
    link.resolve().unlink()  # by hand
    assert find_folder(REPO) is None


# What a configuration may name


@pytest.mark.parametrize('key', ['hf_tokenizer_name', 'hf_model_name'])
@pytest.mark.parametrize(
    'name',
    [
        '/no/such/place',
        '../bert',
        './bert',
        r'\\host\share',
        'a/b/c',
        5,
        ['a'],
    ],
)
def test_only_repositories_may_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, name: object
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'bert').mkdir()
    with pytest.raises(ModelError, match='no repository on the hub'):
        text_sources({'text_cfg': {key: name}})


def test_a_folder_that_is_called_so_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / 'roberta-base'
    folder.mkdir()
    for file in FILES:
        (folder / file).write_text('{}')
    config = {'text_cfg': {'hf_tokenizer_name': 'roberta-base'}}
    with pytest.raises(WeightsMissingError, match='from roberta-base'):
        fetch(download=False, config=config)


@pytest.mark.parametrize(
    ('files', 'is_used'),
    [
        (('tokenizer.json',), True),
        (('vocab.txt',), True),
        (('spiece.model',), True),
        (('sentencepiece.bpe.model',), True),
        (('tokenizer.model',), True),
        (('vocab.json', 'merges.txt'), True),
        (('vocab.json',), False),
        (('tokenizer_config.json',), False),
    ],
)
def test_a_model_s_own_folder_has_the_words(
    tmp_path: Path, files: tuple[str, ...], is_used: bool
) -> None:
    for file in files:
        (tmp_path / file).write_text('')
    found = with_own_files(CONFIG, tmp_path)['text_cfg']
    assert found['hf_tokenizer_name'] == (tmp_path if is_used else REPO)
