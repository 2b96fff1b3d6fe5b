"""A run over several planes, when there is not room for all they need."""

from __future__ import annotations

import numpy as np

from napari_naclip.engine.encoder import Encoder
from napari_naclip.engine.store import FeatureStore
from napari_naclip.engine.types import ClassList, Settings
from napari_naclip.layers.snapshot import PlaneSnapshot
from napari_naclip.ui import jobs
from napari_naclip.ui.compute import ModelRequest


def test_a_second_run_over_a_stack_finds_most(monkeypatch) -> None:
    stack = np.random.default_rng(0).integers(0, 256, (8, 80, 80), np.uint8)
    snapshots = tuple(
        PlaneSnapshot(
            data=stack,
            index=(plane, slice(None), slice(None)),
            is_transposed=False,
            shape=stack.shape,
            level=0,
            downsample_factors=(1.0, 1.0, 1.0),
            contrast_limits=(0.0, 255.0),
            gamma=1.0,
        )
        for plane in range(len(stack))
    )
    request = jobs.RunRequest(
        image=None,
        snapshots=snapshots,
        classes=ClassList.from_text('sand; water'),
        settings=Settings(
            detail=None, window=32, stride=16, templates=('{}',)
        ),
        model=ModelRequest('demo', device='cpu', precision='float32'),
        target=None,
    )
    sizes, encode = [], Encoder._tokens

    def count(self, batch):
        sizes.append(len(batch))
        return encode(self, batch)

    monkeypatch.setattr(Encoder, '_tokens', count)

    def run(store: FeatureStore) -> int:
        monkeypatch.setattr(jobs, 'shared_store', lambda: store)
        sizes.clear()
        made = list(jobs.iter_run(request))
        assert sum(isinstance(item, jobs.Finished) for item in made) == 8
        return sum(sizes)

    large = FeatureStore(None, memory=10**9, disk=0)
    looked_at = run(large)
    assert run(large) == 0
    memory = round(large.usage().memory_size * 0.83)
    small = FeatureStore(None, memory=memory, disk=0)
    assert run(small) == looked_at
    for _ in range(2):
        assert run(small) <= 0.35 * looked_at
