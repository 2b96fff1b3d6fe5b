from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from napari_naclip.engine.store import FeatureStore, database, disk


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small windows fill a database, whatever this disk has left."""
    monkeypatch.setattr(database, 'PAGE_SIZE', 4096)
    monkeypatch.setattr(disk, 'RESERVE', 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / 'features'


@pytest.fixture
def make_store(folder: Path) -> Iterator[Callable[..., FeatureStore]]:
    """Return a function that opens stores on one folder."""
    stores: list[FeatureStore] = []

    def make(*, memory: int = 0, disk: int = 10_000_000) -> FeatureStore:
        stores.append(FeatureStore(folder, memory=memory, disk=disk))
        return stores[-1]

    yield make
    for store in stores:
        store.close()
