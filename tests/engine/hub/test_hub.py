"""Weights on this machine, and downloads that go well."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants

from hub_server import (
    COMMIT,
    CONTENT,
    ENTRY,
    Hub,
    fetch,
    fill_cache,
    leave_part,
    no_network,
    serving,
    target,
)
from napari_naclip.engine import hub
from napari_naclip.engine.errors import (
    WeightsError,
    WeightsMissingError,
)
from napari_naclip.engine.models import load_model
from napari_naclip.engine.types import Progress


def test_a_file_in_the_hub_s_cache_is_found_without_network(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = fill_cache(cache)
    monkeypatch.setattr(socket.socket, 'connect', no_network)
    assert hub.find_cached(ENTRY) == link
    assert fetch()[0] == link


def test_a_link_without_its_blob_is_not_cached(cache: Path) -> None:
    link = fill_cache(cache)
    link.resolve().unlink()
    assert hub.find_cached(ENTRY) is None


def test_an_empty_cache_holds_nothing() -> None:
    assert hub.find_cached(ENTRY) is None
    assert hub.find_started(ENTRY) is None


def test_the_folder_is_the_one_the_hub_gives_to_libraries() -> None:
    # For its constants are read once; this call makes the folder.
    folder = huggingface_hub.cached_assets_path(
        'napari-naclip',
        'weights',
        ENTRY.repo,
        assets_dir=constants.HF_ASSETS_CACHE,
    )
    assert target() == folder / ENTRY.file


def test_the_repositories_that_are_here(cache: Path) -> None:
    assert hub.repositories_here() == frozenset()
    fill_cache(cache)
    name = hub.folder_name(ENTRY.repo)
    assert hub.repositories_here() == {name}
    fill_cache(cache, repo='a/b')
    leave_part(CONTENT[:5])
    assert hub.repositories_here() == {name, 'a--b'}


def test_nothing_is_downloaded_unasked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(socket.socket, 'connect', no_network)
    monkeypatch.setattr(socket, 'getaddrinfo', no_network)
    with pytest.raises(WeightsMissingError) as caught:
        load_model('ViT-B-16', device='cpu')
    assert caught.value.size == 4 * 149620737
    assert caught.value.present == 0
    assert caught.value.model == 'ViT-B-16'
    assert 'about 598 MB' in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_what_is_here_already_is_told() -> None:
    leave_part(CONTENT[:2_000_000])
    with pytest.raises(WeightsMissingError) as caught:
        load_model('ViT-B-16', device='cpu')
    assert (caught.value.present, caught.value.size) == (2_000_000, 6_291_456)
    assert '2 of 6 MB are on this machine' in str(caught.value)
    assert 'the rest (4 MB)' in str(caught.value)


@pytest.mark.parametrize(
    'note', ['', '{', '[]', '{"etag": "a"}', '{"etag": "a", "size": 2}']
)
def test_a_part_without_a_note_that_fits_is_nothing(note: str) -> None:
    leave_part(CONTENT[:5])
    hub.beside(target(), '.part.json').write_text(note)
    assert hub.find_started(ENTRY) is None


def test_a_download_is_whole_and_reports_bytes(server: Hub) -> None:
    server.delay = 0.02
    path, seen = fetch()
    assert path.read_bytes() == CONTENT
    assert path == hub.find_cached(ENTRY) == target()
    assert {file.name for file in path.parent.iterdir()} <= {
        ENTRY.file,
        ENTRY.file + '.lock',
    }
    total = len(CONTENT)
    done = [progress.done for progress in seen]
    assert done == sorted(done)
    assert seen[0] == Progress('download')
    assert seen[-1] == Progress('download', total, total)
    assert any(0 < count < total for count in done)


def test_a_second_time_nothing_is_asked(server: Hub) -> None:
    first, _ = fetch()
    server.requests.clear()
    assert fetch()[0] == first
    assert not server.requests


def test_the_hub_hears_of_nothing_but_the_file(server: Hub) -> None:
    assert constants.HF_HUB_DISABLE_TELEMETRY
    fetch()
    assert {line.split('/')[1] for line in server.requests} == {'timm'}
    assert not any('torch' in head['user-agent'] for head in server.headers)


def test_the_bytes_are_of_the_version_that_was_described(server: Hub) -> None:
    fetch()
    assert server.requests[-1].split('/')[4] == COMMIT


def test_the_token_is_sent(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('HF_TOKEN', 'hf_something')
    fetch()
    assert {head.get('authorization') for head in server.headers} == {
        'Bearer hf_something'
    }


def test_bytes_may_come_from_elsewhere_where_the_token_does_not_go(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('HF_TOKEN', 'hf_something')
    with serving() as store:
        # Another name of the same machine is another host.
        server.store = f'http://localhost:{store.server_port}'
        leave_part(CONTENT[:3_000_000])
        assert fetch()[0].read_bytes() == CONTENT
        assert store.ranges == ['bytes=3000000-']
        assert all('authorization' in head for head in server.headers)
        assert not any('authorization' in head for head in store.headers)


def test_a_model_is_loaded_from_what_was_downloaded(server: Hub) -> None:
    with pytest.raises(WeightsError, match=re.escape(str(target()))):
        load_model('ViT-B-16', device='cpu', download=True)
    assert target().read_bytes() == CONTENT
