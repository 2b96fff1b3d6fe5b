"""Too little memory, and numbers too large for half precision."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from napari_naclip.engine.batches import is_out_of_memory
from napari_naclip.engine.clip.text import Tokenizer
from napari_naclip.engine.clip.tower import ImageTower
from napari_naclip.engine.errors import OutOfMemoryError
from napari_naclip.engine.features import DictStore
from napari_naclip.engine.models import Model, load_model
from napari_naclip.engine.segment import segment
from napari_naclip.engine.segmenter import Segmenter, run_to_end
from napari_naclip.engine.types import ClassList, Settings

CPU = torch.device('cpu')
#: Stands for a card: nothing is ever moved there, see ``card_model``.
CARD = torch.device('mps')
SETTINGS = Settings(detail=None, templates=('{}',))
IMAGE = np.random.default_rng(0).integers(0, 256, (64, 72, 3), np.uint8)

ERRORS = {
    'torch': torch.OutOfMemoryError('CUDA out of memory. Tried to allocate'),
    'runtime': RuntimeError('MPS backend out of memory (MPS allocated: 1 GB'),
    'allocator': RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    'python': MemoryError(),
}


class Memory:
    """Memory for a number of windows at once, on the card and on the CPU."""

    def __init__(self) -> None:
        self.room = {'mps': 64, 'cpu': 64}
        self.error: BaseException = ERRORS['torch']
        self.room_to_move = True
        self.batches: list[tuple[str, str, int]] = []


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    """Return the memory that every image tower now has."""
    memory = Memory()
    move, tokens = ImageTower.to, ImageTower.tokens

    def fake_move(
        self: ImageTower, device: torch.device, dtype: torch.dtype
    ) -> None:
        if device == CARD and not memory.room_to_move:
            raise memory.error
        move(self, CPU, dtype)
        self.name = device.type
        self.__class__ = Tower

    def fake_tokens(
        self: ImageTower, pixels: torch.Tensor, **options: object
    ) -> torch.Tensor:
        dtype = str(self.dtype).removeprefix('torch.')
        memory.batches.append((self.name, dtype, len(pixels)))
        if len(pixels) > memory.room[self.name]:
            raise memory.error
        self.is_running = True
        try:
            return tokens(self, pixels, **options)
        finally:
            self.is_running = False

    class Tower(ImageTower):
        is_running = False

        @property
        def device(self) -> torch.device:
            return CPU if self.is_running else torch.device(self.name)

        @device.setter
        def device(self, device: torch.device) -> None:
            self.name = device.type

    monkeypatch.setattr(ImageTower, 'to', fake_move)
    monkeypatch.setattr(ImageTower, 'tokens', fake_tokens)
    return memory


def make_model(
    clip: torch.nn.Module,
    tokenizer: Tokenizer,
    device: torch.device,
    dtype: torch.dtype,
) -> Model:
    """Return a model whose image tower believes to be on a device."""
    model = load_model((clip, tokenizer), device='cpu', precision='float32')
    model.device, model.dtype = device, dtype
    model.tower.to(device, dtype)
    return model


@pytest.fixture
def card_model(
    memory: Memory, tiny_clip: torch.nn.Module, tokenizer: Tokenizer
) -> Model:
    return make_model(tiny_clip, tokenizer, CARD, torch.float32)


@pytest.fixture
def expected(tiny_model: Model) -> np.ndarray:
    """Return the labels with room for everything."""
    return segment(
        IMAGE, 'sky; tree', model=tiny_model, settings=SETTINGS
    ).labels


@pytest.mark.parametrize('error', ERRORS.values(), ids=ERRORS)
def test_a_batch_too_large_is_halved_and_told(
    expected: np.ndarray,
    memory: Memory,
    card_model: Model,
    error: BaseException,
) -> None:
    memory.room['mps'] = 4
    memory.error = error
    result = segment(IMAGE, 'sky; tree', model=card_model, settings=SETTINGS)
    sizes = [size for _, _, size in memory.batches]
    assert sizes == [12, 6, 3, 3, 3, 3]
    np.testing.assert_array_equal(result.labels, expected)
    assert [notice.split(';')[1] for notice in result.notices] == [
        ' 6 were used.',
        ' 3 were used.',
    ]
    assert result.recipe['model']['device'] == 'mps'


def test_what_fits_is_remembered_for_the_rest_of_a_run(
    memory: Memory, card_model: Model
) -> None:
    memory.room['mps'] = 4
    image = np.random.default_rng(0).integers(0, 256, (400, 72, 3), np.uint8)
    segment(image, 'sky; tree', model=card_model, settings=SETTINGS)
    sizes = [size for _, _, size in memory.batches]
    # Though it looks at the image row after row.
    assert max(sizes[3:]) <= 4 < min(sizes[:2])


def test_a_device_without_room_for_one_window_gives_way_to_the_cpu(
    expected: np.ndarray, memory: Memory, card_model: Model
) -> None:
    memory.room['mps'] = 0
    result = segment(IMAGE, 'sky; tree', model=card_model, settings=SETTINGS)
    np.testing.assert_array_equal(result.labels, expected)
    assert memory.batches[:4] == [
        ('mps', 'float32', 12),
        ('mps', 'float32', 6),
        ('mps', 'float32', 3),
        ('mps', 'float32', 1),
    ]
    assert {name for name, _, _ in memory.batches[4:]} == {'cpu'}
    assert 'the CPU was used' in result.notices[-1]
    assert result.recipe['model']['device'] == 'cpu'


def test_the_next_run_starts_on_the_device_again(
    memory: Memory, card_model: Model
) -> None:
    memory.room['mps'] = 0
    segment(IMAGE, 'sky; tree', model=card_model, settings=SETTINGS)
    memory.room['mps'] = 64
    memory.batches.clear()
    result = segment(IMAGE, 'sky; tree', model=card_model, settings=SETTINGS)
    assert memory.batches == [('mps', 'float32', 12)]
    assert result.notices == ()
    assert result.recipe['model']['device'] == 'mps'


def test_the_precision_is_restored_with_the_device(
    memory: Memory, tiny_clip: torch.nn.Module, tokenizer: Tokenizer
) -> None:
    model = make_model(tiny_clip, tokenizer, CARD, torch.bfloat16)
    memory.room['mps'] = 0
    segment(IMAGE, 'sky; tree', model=model, settings=SETTINGS)
    assert memory.batches[-1][:2] == ('cpu', 'float32')
    memory.room['mps'] = 64
    segment(IMAGE, 'sky; tree', model=model, settings=SETTINGS)
    assert memory.batches[-1] == ('mps', 'bfloat16', 12)


def test_a_device_that_is_still_full_leaves_the_next_run_on_the_cpu(
    memory: Memory, card_model: Model
) -> None:
    memory.room['mps'] = 0
    segment(IMAGE, 'sky; tree', model=card_model, settings=SETTINGS)
    memory.room_to_move = False
    result = segment(IMAGE, 'sky; tree', model=card_model, settings=SETTINGS)
    assert memory.batches[-1] == ('cpu', 'float32', 12)
    assert 'memory is still too small' in result.notices[0]


def count_sizes(memory: Memory) -> list[tuple[str, int]]:
    sizes = [(name, size) for name, _, size in memory.batches]
    memory.batches.clear()
    return sizes


@pytest.mark.parametrize('room', [4, 0])
def test_what_did_not_fit_at_once_is_left_to_the_store(
    memory: Memory, card_model: Model, room: int
) -> None:
    memory.room['mps'] = room
    store = DictStore()
    segmenter = Segmenter(card_model, SETTINGS, store)
    live = segmenter.open(IMAGE)
    first = run_to_end(live.answer(ClassList.from_text('sky; tree')))
    tokens = live.features.tokens
    assert not tokens._held
    assert len(store) == len(tokens)
    tried = [(name, size) for name, size in count_sizes(memory) if size > room]
    memory.room['mps'] = 64
    later = run_to_end(live.answer(ClassList.from_text('sky; tree; sea')))
    assert not memory.batches
    assert later.labels.shape == first.labels.shape
    # Others have what they would run themselves, and nothing else.
    memory.room['mps'] = room
    segment(IMAGE, 'sky', model=card_model, settings=SETTINGS, store=store)
    assert count_sizes(memory) == [each for each in tried if each[0] == 'mps']
    memory.room['mps'] = 64
    segment(IMAGE, 'sky', model=card_model, settings=SETTINGS, store=store)
    assert count_sizes(memory) == [('mps', 12)]


class NoStore(DictStore):
    """Forgets everything at once."""

    def put(self, key: bytes, tokens: object) -> None:
        return


@pytest.mark.parametrize(('room', 'place'), [(4, ('mps', 3)), (0, ('cpu', 1))])
def test_what_is_forgotten_is_run_as_it_was(
    memory: Memory, card_model: Model, room: int, place: tuple[str, int]
) -> None:
    live = Segmenter(card_model, SETTINGS, NoStore()).open(IMAGE)
    memory.room['mps'] = room
    run_to_end(live.answer(ClassList.from_text('sky; tree')))
    first = [each for each in count_sizes(memory) if each[1] <= max(1, room)]
    memory.room['mps'] = 64
    run_to_end(live.answer(ClassList.from_text('sky; tree; sea')))
    assert set(count_sizes(memory)) == {place} <= set(first)
    # A picture of its own begins as was asked.
    segment(IMAGE, 'sky', model=card_model, settings=SETTINGS)
    assert count_sizes(memory) == [('mps', 12)]


def test_no_room_on_the_cpu_either_is_an_error(
    memory: Memory, card_model: Model
) -> None:
    memory.room.update(mps=0, cpu=0)
    with pytest.raises(OutOfMemoryError, match='not enough memory'):
        segment(IMAGE, 'sky; tree', model=card_model, settings=SETTINGS)


def test_another_error_is_not_taken_for_a_lack_of_memory(
    memory: Memory, card_model: Model
) -> None:
    memory.room['mps'] = 0
    memory.error = RuntimeError('mat1 and mat2 shapes cannot be multiplied')
    with pytest.raises(RuntimeError, match='mat1'):
        segment(IMAGE, 'sky; tree', model=card_model, settings=SETTINGS)
    assert len(memory.batches) == 1


@pytest.fixture
def overflowing(
    make_clip: Callable[..., torch.nn.Module], tokenizer: Tokenizer
) -> Model:
    """Return a float16 model in which bright windows overflow."""
    clip = make_clip()
    # Patch embeddings beyond 65504 for pixels of more than about 1.
    clip.visual.conv1.weight.data.fill_(65000 / 200)
    return load_model((clip, tokenizer), device='cpu', precision='float16')


def test_an_overflow_is_computed_again_in_float32(
    overflowing: Model,
) -> None:
    image = np.zeros((64, 64), np.uint8)
    image[:32] = np.random.default_rng(0).integers(230, 256, (32, 64))
    segmenter = Segmenter(overflowing, SETTINGS)
    tower = overflowing.tower
    features = run_to_end(segmenter.encode(image))
    assert torch.isfinite(features.tokens.stack()).all()
    assert tower.dtype == torch.float16
    assert tower._visual.conv1.weight.dtype == torch.float16
    [notice] = segmenter.notices
    assert 'float16 overflowed' in notice
    assert 'float32' in notice


def test_no_room_for_float32_is_a_lack_of_memory(
    overflowing: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = ImageTower.to
    failures = [torch.OutOfMemoryError('no room')]

    def move_but_once(
        self: ImageTower, device: torch.device, dtype: torch.dtype
    ) -> None:
        if dtype == torch.float32 and failures:
            # As a tower that is moved in part tells it.
            self.dtype = dtype
            raise failures.pop()
        move(self, device, dtype)

    monkeypatch.setattr(ImageTower, 'to', move_but_once)
    image = np.zeros((64, 64), np.uint8)
    image[:32] = np.random.default_rng(0).integers(230, 256, (32, 64))
    segmenter = Segmenter(overflowing, SETTINGS)
    features = run_to_end(segmenter.encode(image))
    assert torch.isfinite(features.tokens.stack()).all()
    assert any('too small' in each for each in segmenter.notices)
    assert overflowing.tower.dtype == torch.float16


@pytest.mark.parametrize(
    'text',
    [
        'CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate',
        'cuDNN error: CUDNN_STATUS_ALLOC_FAILED',
        'Native API returns: 39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)',
        'Invalid buffer size: 12.50 GiB',
        'MPS backend out of memory',
    ],
)
def test_a_lack_of_memory_has_many_names(text: str) -> None:
    assert is_out_of_memory(RuntimeError(text))
    assert not is_out_of_memory(RuntimeError('shapes do not fit'))


def test_no_overflow_is_not_told(overflowing: Model) -> None:
    image = np.random.default_rng(0).integers(100, 140, (64, 64), np.uint8)
    segmenter = Segmenter(overflowing, SETTINGS)
    run_to_end(segmenter.encode(image))
    assert segmenter.notices == ()
