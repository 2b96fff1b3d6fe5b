"""Tokenizers of models that do not have CLIP's own, from the hub."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from hub_server import ENTRY, Hub, no_network
from napari_naclip.engine.errors import NetworkError, WeightsMissingError
from napari_naclip.engine.segmenter import run_to_end
from napari_naclip.engine.tokenizer_files import find_folder, locate_tokenizer

REPO = 'somebody/bert'


def fetch(*, download: bool = True) -> None:
    run_to_end(locate_tokenizer(ENTRY, REPO, download=download))


@pytest.mark.parametrize(
    'files',
    [
        ('vocab.txt', 'config.json', 'tokenizer_config.json'),
        ('tokenizer.json',),
        ('spiece.model', 'tokenizer_config.json'),
    ],
)
def test_what_a_repository_has_is_fetched_once(
    server: Hub,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: tuple[str, ...],
) -> None:
    server.others = {(REPO, file): file.encode() for file in files}
    with pytest.raises(WeightsMissingError, match='tokenizer of ViT-B-16'):
        fetch(download=False)
    assert not server.requests
    fetch()
    folder = find_folder(REPO)
    assert folder is not None
    assert folder.is_relative_to(cache)
    assert {path.name for path in folder.iterdir()} == set(files)
    for file in files:
        assert (folder / file).read_text() == file
    monkeypatch.setattr(socket.socket, 'connect', no_network)
    fetch()


def test_a_fetch_that_broke_off_is_done_again(server: Hub) -> None:
    server.others = {
        (REPO, file): file.encode()
        for file in ('config.json', 'spiece.model', 'tokenizer_config.json')
    }
    real, asked = server.find, []

    def fail_at_the_third(path: str) -> bytes | None:
        asked.append(path)
        server.status = 200 if path.endswith('/config.json') else 403
        return real(path)

    server.find = fail_at_the_third
    with pytest.raises(NetworkError, match='could not be downloaded'):
        fetch()
    assert asked
    assert find_folder(REPO) is None
    server.find, server.status = real, 200
    fetch()
    assert find_folder(REPO) is not None


def test_a_repository_without_a_tokenizer_is_said(server: Hub) -> None:
    server.others = {}
    with pytest.raises(NetworkError, match='has no such files'):
        fetch()
