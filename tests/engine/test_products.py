"""Packed products give what plain ones give, or are not used."""

from __future__ import annotations

import open_clip
import pytest
import torch

from napari_naclip.engine.clip import blocks, products, tower
from napari_naclip.engine.clip.products import PackedProduct, can_pack


@pytest.fixture(autouse=True)
def asked_anew():
    """Forget whether products can be packed here."""
    can_pack.cache_clear()
    yield
    can_pack.cache_clear()


needs_packing = pytest.mark.skipif(
    not can_pack(torch.bfloat16),
    reason='torch cannot pack bfloat16 products on this processor',
)


@needs_packing
def test_packed_products_differ_by_rounding_only() -> None:
    torch.manual_seed(0)
    weight, bias, x = (
        torch.randn(*size) for size in ((40, 24), (40,), (3, 7, 24))
    )
    found = PackedProduct(weight, bias, torch.bfloat16)(x.bfloat16())
    halves = (each.bfloat16() for each in (x, weight, bias))
    expected = torch.nn.functional.linear(*halves)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected, rtol=0.01, atol=0.05)


@needs_packing
@pytest.mark.parametrize('name', ['ViT-B-16', 'ViT-B-16-quickgelu'])
def test_a_packed_block_is_as_near_as_a_plain_one(name: str) -> None:
    config = open_clip.get_model_config(name)
    config['vision_cfg'] |= {'layers': 2, 'width': 128}
    torch.manual_seed(0)
    block = (
        open_clip.model.CLIP(**config).eval().visual.transformer.resblocks[0]
    )
    x = torch.randn(2, 9, 128)
    with torch.inference_mode():
        exact = blocks.Block(block)
        expected = exact.run(x)
        halves = blocks.Block(block)
        halves.to(torch.bfloat16)
        error_plain = (halves.run(x) - expected).norm()
        halves.pack(torch.bfloat16)
        error_packed = (halves.run(x) - expected).norm()
    assert 0 < error_packed < 1.3 * error_plain


def test_a_tower_that_was_moved_away_sees_the_same(
    golden_clip: torch.nn.Module,
) -> None:
    cpu = torch.device('cpu')
    made = tower.ImageTower(
        golden_clip.visual, device=cpu, dtype=torch.bfloat16
    )
    pixels = torch.randn(1, 3, 64, 64)
    before = made.tokens(pixels)
    made.to(cpu, torch.float32)
    made.to(cpu, torch.bfloat16)
    assert torch.equal(made.tokens(pixels), before)


@pytest.mark.parametrize('failure', ['missing', 'wrong'])
def test_what_does_not_work_is_not_used(
    failure: str, golden_clip: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: PackedProduct, x: torch.Tensor) -> torch.Tensor:
        if failure == 'missing':
            raise RuntimeError
        return torch.zeros(*x.shape[:-1], 48, dtype=x.dtype)

    monkeypatch.setattr(products.PackedProduct, '__call__', fail)
    assert not can_pack(torch.bfloat16)
    made = tower.ImageTower(
        golden_clip.visual, device=torch.device('cpu'), dtype=torch.bfloat16
    )
    pixels = torch.randn(1, 3, 64, 64)
    assert torch.isfinite(made.tokens(pixels)).all()


def test_float32_is_never_packed(
    golden_clip: torch.nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError

    monkeypatch.setattr(products.PackedProduct, '__init__', refuse)
    tower.ImageTower(
        golden_clip.visual, device=torch.device('cpu'), dtype=torch.float32
    )
