"""Fixtures: an empty cache, and a hub on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants, utils

from hub_server import (
    Hub,
    point_to,
    serving,
)
from napari_naclip.engine import download


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the hub's cache folder, empty."""
    folder = tmp_path / 'hub'
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(folder))
    monkeypatch.setattr(constants, 'HF_ASSETS_CACHE', str(tmp_path / 'assets'))
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', False)
    monkeypatch.setattr(download, 'RETRY_PAUSES', (0.05, 0.05))
    # Before version 1 a thread with the number of an ended one gets that
    # one's session, which stays offline if it was.
    if hasattr(utils, 'reset_sessions'):
        utils.reset_sessions()
    return folder


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving() as server:
        point_to(monkeypatch, server.url)
        yield server
