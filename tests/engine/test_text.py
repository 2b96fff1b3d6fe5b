"""The text tower, against open_clip's own encode_text."""

from __future__ import annotations

import copy

import open_clip
import pytest
import torch
from torch.nn.functional import normalize

from napari_naclip.engine.clip.text import (
    BATCH_SIZE,
    TextTower,
    clip_tokenizer,
    embed_queries,
)
from napari_naclip.engine.errors import ModelError
from napari_naclip.engine.models import Model
from napari_naclip.engine.segmenter import run_to_end
from napari_naclip.engine.types import ClassList

CPU = torch.device('cpu')
TEXTS = [
    'sky',
    'a photo of a very small red cup on a wooden table.',
    '',
    'Ein Haus, ein Baum: 空',
    'word ' * 90,
]


@pytest.fixture
def tower(tiny_clip: torch.nn.Module) -> TextTower:
    return TextTower(tiny_clip, clip_tokenizer(), device=CPU)


def encode(tower: TextTower, texts: list[str]) -> torch.Tensor:
    rows: dict[int, torch.Tensor] = {}
    for indices, embeddings in tower.encode(texts):
        rows.update(zip(indices, embeddings, strict=True))
    return torch.stack([rows[index] for index in range(len(texts))])


def test_the_tokenizer_is_that_of_open_clip() -> None:
    expected = open_clip.get_tokenizer('ViT-B-16')(TEXTS)
    assert torch.equal(clip_tokenizer()(TEXTS), expected)


@pytest.mark.parametrize('texts', [TEXTS, TEXTS[:1], TEXTS[:3]])
def test_short_batches_equal_the_full_length(
    tiny_clip: torch.nn.Module, tower: TextTower, texts: list[str]
) -> None:
    with torch.no_grad():
        expected = tiny_clip.encode_text(
            clip_tokenizer()(texts), normalize=True
        )
    torch.testing.assert_close(
        encode(tower, texts), expected, atol=1e-5, rtol=0
    )


def test_the_order_of_texts_changes_nothing(tower: TextTower) -> None:
    texts = [f'{"very " * (i % 9)}{i}' for i in range(BATCH_SIZE + 20)]
    forward = encode(tower, texts)
    backward = encode(tower, texts[::-1])
    torch.testing.assert_close(forward, backward.flip(0), atol=1e-6, rtol=0)


def test_an_ensemble_is_the_unit_mean_of_unit_prompts(
    tiny_clip: torch.nn.Module, tower: TextTower
) -> None:
    templates = ['a photo of a {}.', '{}', 'many {} in the rain']
    queries = ['sky', 'red cup']
    *before, (done, embeddings) = embed_queries(tower, queries, templates)
    assert embeddings is not None
    for query, embedding in zip(queries, embeddings, strict=True):
        tokens = clip_tokenizer()([t.format(query) for t in templates])
        with torch.no_grad():
            prompts = tiny_clip.encode_text(tokens)
        mean = normalize(prompts, dim=-1).mean(dim=0)
        expected = mean / mean.norm()
        torch.testing.assert_close(embedding, expected, atol=1e-5, rtol=0)
    assert done == 6
    assert all(rows is None for _, rows in before)


def test_braces_in_a_prompt_are_no_placeholder(tower: TextTower) -> None:
    [*_, (_, embeddings)] = embed_queries(tower, ['{0} {x}'], ['a {}'])
    expected = encode(tower, ['a {0} {x}'])
    torch.testing.assert_close(embeddings, expected, atol=1e-6, rtol=0)


def test_progress_counts_texts(tower: TextTower) -> None:
    queries = [str(i) for i in range(BATCH_SIZE)]
    counts = [
        done for done, _ in embed_queries(tower, queries, ['{}', 'a {}'])
    ]
    assert counts == [BATCH_SIZE, 2 * BATCH_SIZE]


@pytest.mark.parametrize(
    ('words', 'is_cut'), [(74, False), (75, False), (76, True), (200, True)]
)
def test_only_what_was_cut_is_told(
    tower: TextTower, words: int, is_cut: bool
) -> None:
    # 77 tokens, of which start and end take two.
    assert tower.is_cut(' '.join(['sky'] * words)) == is_cut


def test_a_long_prompt_is_told(tiny_model: Model) -> None:
    classes = ClassList.from_text(f'sky; {"tree " * 80}')
    notices = tiny_model.notices(classes, None)
    assert len(notices) == 1
    assert 'longer than the model reads' in notices[0]
    assert 'tree tree' in notices[0]


def test_the_templates_count_for_the_length(tiny_model: Model) -> None:
    classes = ClassList.from_text(f'sky; {"tree " * 73}')
    assert tiny_model.notices(classes, ('{}',)) == []
    assert len(tiny_model.notices(classes, ('a photo of {}', '{}'))) == 1


def test_a_non_causal_text_tower_runs_at_full_length(
    tiny_clip: torch.nn.Module,
) -> None:
    clip = copy.deepcopy(tiny_clip)
    clip.attn_mask = None
    tower = TextTower(clip, clip_tokenizer(), device=CPU)
    with torch.no_grad():
        expected = clip.encode_text(clip_tokenizer()(TEXTS), normalize=True)
    torch.testing.assert_close(
        encode(tower, TEXTS), expected, atol=1e-6, rtol=0
    )


def test_a_model_in_half_precision_is_read_in_float32(
    tiny_clip: torch.nn.Module,
) -> None:
    half = copy.deepcopy(tiny_clip).half().train()
    embeddings = encode(TextTower(half, clip_tokenizer(), device=CPU), TEXTS)
    assert half.training
    assert half.ln_final.weight.dtype == torch.float16
    expected = encode(
        TextTower(half.float(), clip_tokenizer(), device=CPU), TEXTS
    )
    assert torch.equal(embeddings, expected)


def test_a_model_without_texts_is_refused() -> None:
    with pytest.raises(ModelError, match='Linear has no text tower'):
        TextTower(torch.nn.Linear(2, 2), clip_tokenizer(), device=CPU)


def test_a_query_is_encoded_once(
    tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_to_end(tiny_model.embed(['sky', 'tree', 'sky'], ['{}']))
    assert torch.equal(first[0], first[2])
    monkeypatch.delattr(TextTower, 'encode')
    again = run_to_end(tiny_model.embed(['tree', 'sky'], ['{}']))
    assert torch.equal(again, first[[1, 0]])
