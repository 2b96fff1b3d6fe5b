"""timm's transformer blocks, run in pieces.

As ``blocks`` does for open_clip's: the residual stream and the normalizations
stay in float32, only the matrix products take the dtype of the weights. What
a block may have is listed here; one with anything else is refused, because a
part that is left out makes a model that looks right and is not.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

import torch
from timm.layers import (
    AttentionRope,
    GluMlp,
    Mlp,
    SwiGLU,
    apply_rot_embed_cat,
)
from timm.models.eva import EvaAttention, EvaBlock
from timm.models.vision_transformer import Attention, Block
from torch.nn.functional import scaled_dot_product_attention

from napari_naclip.engine.clip.products import Product
from napari_naclip.engine.clip.vision import refuse

if TYPE_CHECKING:
    from napari_naclip.engine.clip.vision import Heads

_BLOCK_PARTS: Final = frozenset(
    [
        'norm1',
        'attn',
        'ls1',
        'gamma_1',
        'drop_path1',
        'norm2',
        'mlp',
        'ls2',
        'gamma_2',
        'drop_path2',
    ]
)
_ATTENTION_PARTS: Final = frozenset(
    [
        'qkv',
        'q_proj',
        'k_proj',
        'v_proj',
        'q_bias',
        'v_bias',
        'q_norm',
        'k_norm',
        'attn_drop',
        'norm',
        'proj',
        'proj_drop',
    ]
)
_MLP_PARTS: Final = frozenset(
    ['fc1', 'fc1_g', 'fc1_x', 'act', 'drop1', 'norm', 'fc2', 'drop2']
)


def find_unknown(module: torch.nn.Module, known: frozenset[str]) -> str:
    """Return the name of a part or weight that is not known, or nothing."""
    names = [name for name, _ in module.named_children()]
    names += [name for name, _ in module.named_parameters(recurse=False)]
    return next((name for name in names if name not in known), '')


def check_block(block: Block | EvaBlock) -> None:
    """Raise ``ModelError`` if a block cannot be run in pieces."""
    kind = type(block).__name__
    if type(block) not in (Block, EvaBlock):
        raise refuse(
            f'The image tower has blocks of the kind {kind}, whose parts this '
            'program does not know.'
        )
    attention, mlp = block.attn, block.mlp
    if type(attention) not in (Attention, EvaAttention, AttentionRope):
        raise refuse(
            f'The image tower has attention of the kind '
            f'{type(attention).__name__}, whose parts this program does not '
            'know.'
        )
    if type(mlp) not in (Mlp, GluMlp, SwiGLU) or not isinstance(
        mlp.fc2, torch.nn.Linear
    ):
        raise refuse(
            f'The image tower has layers of the kind {type(mlp).__name__}, '
            'whose parts this program does not know.'
        )
    unknown = (
        find_unknown(block, _BLOCK_PARTS)
        or find_unknown(attention, _ATTENTION_PARTS)
        or find_unknown(mlp, _MLP_PARTS)
    )
    if unknown or getattr(attention, 'num_kv_groups', 1) != 1:
        raise refuse(
            f'The blocks of the image tower ({kind}) have {unknown or "heads"}'
            ' that this program does not know.'
        )


class TimmBlock:
    """One of timm's blocks, whose parts can be run one by one.

    Parameters
    ----------
    block : Block or EvaBlock
        Held, not copied; see ``check_block``.
    """

    def __init__(self, block: Block | EvaBlock) -> None:
        self._block = block
        self._rotation: torch.Tensor | None = None
        self._products = {
            name: Product(layer.weight, layer.bias)
            for half in (block.attn, block.mlp)
            for name, layer in half.named_children()
            if isinstance(layer, torch.nn.Linear)
        }
        self._joint_bias: torch.nn.Parameter | None = None
        attention = block.attn
        if getattr(attention, 'q_bias', None) is not None:
            parts = attention.q_bias, attention.k_bias, attention.v_bias
            self._joint_bias = torch.nn.Parameter(
                torch.cat([each.detach() for each in parts])
            )
            self._products['qkv'] = Product(
                attention.qkv.weight, self._joint_bias
            )

    def at(self, rotation: torch.Tensor | None) -> TimmBlock:
        """Return the same block for patches at other places.

        Parameters
        ----------
        rotation : (N, 2 head_dim) float32 Tensor or None
            Sines and cosines of the places, which turn queries and keys.
        """
        block = copy.copy(self)
        block._rotation = rotation
        return block

    def pack(self) -> None:
        """Lay the weights out for this CPU; the block gives them up."""
        for product in self._products.values():
            product.pack()

    def unpack(self) -> None:
        """Give the block its weights back, bit for bit."""
        for product in self._products.values():
            product.unpack()

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move the weights of the matrix products, and no others.

        They must not be packed.
        """
        for module in self._block.modules():
            if isinstance(module, torch.nn.Linear):
                module.to(device, dtype)
        if self._joint_bias is not None:
            self._joint_bias.data = self._joint_bias.data.to(device, dtype)

    @property
    def _dtype(self) -> torch.dtype:
        dtype: torch.dtype = self._block.mlp.fc2.weight.dtype
        return dtype

    def project_heads(self, x: torch.Tensor) -> Heads:
        """Return query, key and value, each (B, heads, N, head_dim).

        Query and key are normalized and rotated where the model does it.

        Parameters
        ----------
        x : (B, N, C) float32 Tensor
            Input of the block.
        """
        attention = self._block.attn
        h = self._block.norm1(x).to(self._dtype)
        multiply = self._products
        if attention.qkv is None:
            projected = tuple(
                multiply[f'{name}_proj'](h) for name in ('q', 'k', 'v')
            )
        else:
            projected = multiply['qkv'](h).chunk(3, dim=-1)
        query, key, value = (
            each.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)
            for each in projected
        )
        return (
            self._turn(_normalize(attention.q_norm, query)),
            self._turn(_normalize(attention.k_norm, key)),
            value,
        )

    def _turn(self, heads: torch.Tensor) -> torch.Tensor:
        if self._rotation is None:
            return heads
        attention = self._block.attn
        count = attention.num_prefix_tokens
        options = {'half': True} if _halves(attention) else {}
        turned = apply_rot_embed_cat(
            heads[:, :, count:].float(), self._rotation, **options
        )
        return torch.cat([heads[:, :, :count], turned.to(heads.dtype)], dim=2)

    def merge_heads(self, heads: torch.Tensor) -> torch.Tensor:
        """Return the attention's output (B, N, C) of its heads, float32."""
        attention = self._block.attn
        h = _normalize(attention.norm, heads.transpose(1, 2).flatten(2))
        return self._scale(self._products['proj'](h).float(), '1')

    def add_attended(
        self, x: torch.Tensor, attended: torch.Tensor
    ) -> torch.Tensor:
        """Return `x` with the attention's output added, both (B, N, C)."""
        return x + attended

    def add_mlp(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x` (B, N, C) float32 with the block's MLP added."""
        mlp, multiply = self._block.mlp, self._products
        h = self._block.norm2(x).to(self._dtype)
        if isinstance(mlp, SwiGLU):
            h = mlp.act(multiply['fc1_g'](h)) * multiply['fc1_x'](h)
        elif isinstance(mlp, GluMlp):
            first, second = multiply['fc1'](h).chunk(2, dim=-1)
            if mlp.gate_last:
                first, second = second, first
            h = mlp.act(first) * second
        else:
            h = mlp.act(multiply['fc1'](h))
        h = multiply['fc2'](_normalize(mlp.norm, h))
        return x + self._scale(h.float(), '2')

    def _scale(self, h: torch.Tensor, number: str) -> torch.Tensor:
        """Return a branch's output as its layer scale, if any, leaves it."""
        block = self._block
        if isinstance(block, EvaBlock):
            scale = getattr(block, f'gamma_{number}')
            return h if scale is None else h * scale
        scaled: torch.Tensor = getattr(block, f'ls{number}')(h)
        return scaled

    def run(
        self, x: torch.Tensor, *, heads: Heads | None = None
    ) -> torch.Tensor:
        """Return the block's output (B, N, C) float32 as timm computes it.

        Parameters
        ----------
        heads : tuple of Tensor, optional
            ``project_heads(x)``, where that is there already.
        """
        query, key, value = self.project_heads(x) if heads is None else heads
        mixed = scaled_dot_product_attention(query, key, value)
        return self.add_mlp(self.add_attended(x, self.merge_heads(mixed)))


def _halves(attention: Attention | EvaAttention) -> bool:
    return bool(getattr(attention, 'rotate_half', False))


def _normalize(norm: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return `x` normalized in float32, in its own dtype."""
    if isinstance(norm, torch.nn.Identity):
        return x
    normalized: torch.Tensor = norm(x.float())
    return normalized.to(x.dtype)
