"""Query embeddings on disk: kept, keyed, and never trusted."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_naclip.engine.clip.text import TextTower, clip_tokenizer
from napari_naclip.engine.models import Model, load_model
from napari_naclip.engine.segmenter import run_to_end
from napari_naclip.engine.text_cache import TextCache, embedding_key
from napari_naclip.engine.types import ClassList

KEY = embedding_key('weights', ['{}'], 'sky')
OTHER = embedding_key('weights', ['{}'], 'tree')
ROW = np.arange(4, dtype=np.float32)


@pytest.fixture
def cache(tmp_path: Path) -> TextCache:
    return TextCache(tmp_path / 'text')


def the_file(cache: TextCache) -> Path:
    assert cache.folder is not None
    [path] = cache.folder.glob('*/*')
    return path


def load(clip: torch.nn.Module, folder: Path) -> Model:
    return load_model(
        (clip, clip_tokenizer()),
        device='cpu',
        precision='float32',
        cache_folder=folder,
    )


def test_what_was_put_is_got(cache: TextCache) -> None:
    cache.put(KEY, ROW)
    np.testing.assert_array_equal(cache.get(KEY), ROW)
    assert cache.get(OTHER) is None


def test_no_folder_keeps_nothing() -> None:
    cache = TextCache(None)
    cache.put(KEY, ROW)
    cache.prune()
    assert cache.get(KEY) is None


def test_the_key_holds_all_that_an_embedding_depends_on() -> None:
    keys = {
        embedding_key(*parts)
        for parts in [
            ('w', ['{}'], 'sky'),
            ('v', ['{}'], 'sky'),
            ('w', ['a {}'], 'sky'),
            ('w', ['{}', 'a {}'], 'sky'),
            ('w', ['a {}', '{}'], 'sky'),
            ('w', ['{}'], 'Sky'),
            ('w', ['{}', ''], 'sky'),
            ('w{}', [''], 'sky'),
            ('w', ['{}sk'], 'y'),
        ]
    }
    assert len(keys) == 9


def test_a_phrase_is_encoded_once_for_two_models(
    tiny_clip: torch.nn.Module,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = run_to_end(load(tiny_clip, tmp_path).embed(['sky'], ['{}']))
    again = load(tiny_clip, tmp_path)
    monkeypatch.delattr(TextTower, 'encode')
    assert torch.equal(run_to_end(again.embed(['sky'], ['{}'])), first)


def test_other_weights_do_not_share(
    make_clip: Callable[..., torch.nn.Module], tmp_path: Path
) -> None:
    one = run_to_end(load(make_clip(), tmp_path).embed(['sky'], ['{}']))
    two = run_to_end(load(make_clip(seed=1), tmp_path).embed(['sky'], ['{}']))
    assert (one - two).abs().max() > 0.01


def test_other_templates_do_not_share(
    tiny_clip: torch.nn.Module, tmp_path: Path
) -> None:
    model = load(tiny_clip, tmp_path)
    one = run_to_end(model.embed(['sky'], ['{}']))
    two = run_to_end(model.embed(['sky'], ['many {}']))
    assert (one - two).abs().max() > 0.01


def test_what_was_rounded_otherwise_is_not_found(
    tiny_clip: torch.nn.Module, tmp_path: Path
) -> None:
    model = load(tiny_clip, tmp_path)
    # As a version did it that encoded texts along with those of others.
    key = embedding_key(model.fingerprint, ['{}'], 'sky')
    model.cache.put(key, np.zeros(16, np.float32))
    first = run_to_end(model.embed(['sky'], ['{}']))
    assert first.norm() > 0.9
    before, files = torch.get_num_threads(), len(list(tmp_path.glob('*/*')))
    torch.set_num_threads(before + 1)
    try:
        run_to_end(model.embed(['sky'], ['{}']))
    finally:
        torch.set_num_threads(before)
    assert len(list(tmp_path.glob('*/*'))) == files + 1


def damage_empty(path: Path) -> None:
    path.write_bytes(b'')


def damage_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def damage_header(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"'shape'", b"'shade'"))


def damage_size(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(
        data.replace(b'(4,), }' + b' ' * 12, b'(9999999999999,), }')
    )


def damage_noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(300))


def damage_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(ROW))


def damage_object(path: Path) -> None:
    with path.open('wb') as file:
        np.save(file, np.array([{}], object), allow_pickle=True)


def damage_zip(path: Path) -> None:
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('a.npy', b'')


def damage_nan(path: Path) -> None:
    with path.open('wb') as file:
        np.save(file, ROW * np.nan)


def damage_dtype(path: Path) -> None:
    with path.open('wb') as file:
        np.save(file, ROW.astype(float))


def damage_shape(path: Path) -> None:
    with path.open('wb') as file:
        np.save(file, ROW[None])


def damage_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    'damage',
    [value for name, value in list(globals().items()) if 'damage_' in name],
)
def test_a_damaged_file_is_as_good_as_none(
    cache: TextCache, damage: Callable[[Path], None]
) -> None:
    cache.put(KEY, ROW)
    path = the_file(cache)
    before = path.read_bytes()
    damage(path)
    assert path.is_dir() or path.read_bytes() != before
    assert cache.get(KEY) is None


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_code_in_a_file_does_not_run(cache: TextCache, tmp_path: Path) -> None:
    trace = tmp_path / 'it ran'
    cache.put(KEY, ROW)
    with the_file(cache).open('wb') as file:
        np.save(file, np.array([Payload(trace)], object), allow_pickle=True)
    assert cache.get(KEY) is None
    assert not trace.exists()


def test_a_damaged_file_is_replaced(cache: TextCache) -> None:
    cache.put(KEY, ROW)
    damage_cut(the_file(cache))
    cache.put(KEY, ROW)
    np.testing.assert_array_equal(cache.get(KEY), ROW)


def test_a_full_disk_costs_nothing_and_is_told(
    tiny_clip: torch.nn.Module,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(file: object, *args: object, **kwargs: object) -> None:
        file.write(b'half')  # type: ignore[attr-defined]
        raise OSError(errno.ENOSPC, 'No space left on device')

    model = load(tiny_clip, tmp_path)
    classes = ClassList.from_text('sky; tree')
    expected = run_to_end(
        load(tiny_clip, tmp_path / 'other').embed(['sky'], ['{}'])
    )
    with monkeypatch.context() as patch:
        patch.setattr(np, 'save', fail)
        result = run_to_end(model.embed(['sky'], ['{}']))
    assert torch.equal(result, expected)
    assert not [path for path in tmp_path.glob('??/*') if path.is_file()]
    [notice] = model.notices(classes, ['{}'])
    assert 'No space left on device' in notice

    # Once there is room again, nothing is told any more.
    run_to_end(model.embed(['tree'], ['{}']))
    assert model.notices(classes, ['{}']) == []


def test_a_folder_that_cannot_be_made_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('in the way')
    cache = TextCache(tmp_path / 'file' / 'text')
    cache.put(KEY, ROW)
    cache.prune()
    assert cache.get(KEY) is None
    assert cache.problem


@pytest.mark.skipif(os.name != 'posix', reason='POSIX permissions')
def test_the_folder_is_private(cache: TextCache) -> None:
    cache.put(KEY, ROW)
    path = the_file(cache)
    assert cache.folder is not None
    assert cache.folder.stat().st_mode & 0o777 == 0o700
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_least_recently_used_half_is_removed(tmp_path: Path) -> None:
    cache = TextCache(tmp_path, max_files=4)
    keys = [embedding_key('w', ['{}'], str(i)) for i in range(5)]
    for age, key in enumerate(keys):
        cache.put(key, ROW)
        os.utime(cache._path(key), (1000 + age, 1000 + age))
    assert cache.get(keys[0]) is not None  # used just now
    cache.prune()
    kept = [cache.get(key) is not None for key in keys]
    assert kept == [True, False, False, False, True]


def test_a_cache_within_its_limit_is_left_alone(tmp_path: Path) -> None:
    cache = TextCache(tmp_path, max_files=2)
    cache.put(KEY, ROW)
    cache.put(OTHER, ROW)
    cache.prune()
    assert cache.get(KEY) is not None
    assert cache.get(OTHER) is not None


WRITER = """
import sys
from pathlib import Path
import numpy as np
from napari_naclip.engine.text_cache import TextCache
cache = TextCache(Path(sys.argv[1]))
value = np.full(5000, float(sys.argv[2]), np.float32)
seen = set()
for _ in range(300):
    cache.put('ab' + '0' * 62, value)
    found = cache.get('ab' + '0' * 62)
    assert found is not None and len(set(found.tolist())) == 1
assert not cache.problem, cache.problem
"""


@pytest.mark.skipif(
    sys.platform == 'win32',
    reason='Windows lets no file be replaced while another process reads it',
)
def test_two_processes_never_see_half_a_file(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, '-c', WRITER, str(tmp_path), value],
            stderr=subprocess.PIPE,
            text=True,
        )
        for value in '12'
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors
    assert len(list(tmp_path.glob('*/*'))) == 1
