"""The text tower, against open_clip's own encode_text."""

from __future__ import annotations

import copy
from typing import Any

import open_clip
import pytest
import torch
from torch.nn.functional import normalize

from napari_naclip.engine.clip.build import build_clip
from napari_naclip.engine.clip.text import (
    BATCH_SIZE,
    TextTower,
    Tokenizer,
    clip_tokenizer,
    embed_query,
)
from napari_naclip.engine.errors import ModelError
from napari_naclip.engine.models import Model
from napari_naclip.engine.segmenter import run_to_end
from napari_naclip.engine.types import ClassList

CPU = torch.device('cpu')
VISION = {
    'image_size': 32,
    'layers': 2,
    'width': 32,
    'patch_size': 8,
    'head_width': 16,
}
TEXT = {'vocab_size': 49408, 'width': 32, 'heads': 2, 'layers': 2}
TEXTS = [
    'sky',
    'a photo of a very small red cup on a wooden table.',
    '',
    'Ein Haus, ein Baum: 空',
    'word ' * 90,
]


@pytest.fixture
def tower(tiny_clip: torch.nn.Module, tokenizer: Tokenizer) -> TextTower:
    return TextTower(tiny_clip, tokenizer, device=CPU)


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
    *before, (done, embedding) = embed_query(tower, 'red cup', templates)
    tokens = clip_tokenizer()([t.format('red cup') for t in templates])
    with torch.no_grad():
        prompts = tiny_clip.encode_text(tokens)
    mean = normalize(prompts, dim=-1).mean(dim=0)
    expected = mean / mean.norm()
    torch.testing.assert_close(embedding, expected, atol=1e-5, rtol=0)
    assert done == 3
    assert all(row is None for _, row in before)


def test_braces_in_a_prompt_are_no_placeholder(tower: TextTower) -> None:
    [*_, (_, embedding)] = embed_query(tower, '{0} {x}', ['a {}'])
    [expected] = encode(tower, ['a {0} {x}'])
    torch.testing.assert_close(embedding, expected, atol=1e-6, rtol=0)


def test_progress_counts_texts(tower: TextTower) -> None:
    templates = [f'{i} {{}}' for i in range(2 * BATCH_SIZE)]
    counts = [done for done, _ in embed_query(tower, 'sky', templates)]
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


@pytest.mark.parametrize(
    'text',
    [
        {},
        {'no_causal_mask': True, 'pool_type': 'last', 'proj_bias': True},
        # Not the largest number, which CLIP looks for.
        {'pool_type': 'eos', 'eos_id': 49406},
        {'proj_type': 'none', 'width': 16},
        {'qk_norm': True},
        {'embed_cls': True, 'context_length': 76},
    ],
    ids=['clip', 'siglip', 'eos', 'no_projection', 'qk_norm', 'cls_at_end'],
)
@pytest.mark.parametrize('is_custom', [False, True])
def test_other_text_halves_equal_open_clip(
    text: dict[str, Any], is_custom: bool
) -> None:
    if not is_custom and {'qk_norm', 'embed_cls'} & set(text):
        pytest.skip('open_clip has it in a text half of its own only')
    with torch.random.fork_rng():
        torch.manual_seed(5)
        clip = build_clip(
            {
                'embed_dim': 16,
                'vision_cfg': VISION,
                'text_cfg': TEXT | text,
                'custom_text': is_custom,
            }
        )
        for parameter in clip.parameters():
            parameter.data.add_(0.1 * torch.randn(parameter.shape))
    tokenizer = clip_tokenizer(text.get('context_length', 77))
    with torch.no_grad():
        expected = clip.encode_text(tokenizer(TEXTS), normalize=True)
    found = TextTower(clip, tokenizer, device=CPU)
    torch.testing.assert_close(
        encode(found, TEXTS), expected, atol=1e-5, rtol=0
    )


def test_short_texts_are_cut_short_in_a_text_half_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clip = build_clip(
        {
            'embed_dim': 16,
            'vision_cfg': VISION,
            'text_cfg': TEXT,
            'custom_text': True,
        }
    )
    tower = TextTower(clip, clip_tokenizer(), device=CPU)
    seen: list[tuple[int, ...]] = []
    encode_tokens = TextTower._encode_tokens

    def spy(self: TextTower, tokens: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(tokens.shape))
        return encode_tokens(self, tokens)

    monkeypatch.setattr(TextTower, '_encode_tokens', spy)
    encode(tower, ['sky', 'a red cup'])
    assert seen == [(2, 5)]
