"""A timm transformer as open_clip's image tower, in parts.

EVA02, SigLIP, PE, MobileCLIP-B and BiomedCLIP come this way. They differ in
what stands before the patches (a class token, registers, nothing), in how
places are told (a table, rotations, both) and in how tokens are pooled.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

import torch
from timm.layers import (
    AttentionPoolLatent,
    HybridEmbed,
    PatchEmbed,
    RotaryEmbeddingCat,
    resample_abs_pos_embed,
)
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch.nn.functional import linear

from napari_naclip.engine.clip.products import can_pack
from napari_naclip.engine.clip.timm_blocks import (
    TimmBlock,
    check_block,
    find_unknown,
)
from napari_naclip.engine.clip.vision import (
    Pooling,
    refuse,
    refuse_convolutions,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from open_clip.timm_model import TimmModel

_TRUNK_PARTS: Final = frozenset(
    [
        'patch_embed',
        'cls_token',
        'reg_token',
        'pos_embed',
        'pos_drop',
        'patch_drop',
        'norm_pre',
        'rope',
        'blocks',
        'norm',
        'attn_pool',
        'fc_norm',
        'head_drop',
        'head',
    ]
)
_POOL_PARTS: Final = frozenset(
    [
        'latent',
        'q',
        'kv',
        'q_norm',
        'k_norm',
        'proj',
        'proj_drop',
        'norm',
        'mlp',
    ]
)
_HEAD_PARTS: Final = frozenset({'drop', 'proj', 'mlp'})
#: Of how many grids of patches the places are kept.
_MOST_GRIDS: Final = 4


class TimmVision:
    """The parts of open_clip's ``TimmModel``: see ``Vision``.

    Parameters
    ----------
    visual : TimmModel
        Held, not copied; in float32.

    Raises
    ------
    ModelError
        If it is no plain transformer, or has parts that are not known.
    """

    def __init__(self, visual: TimmModel) -> None:
        _check(visual)
        self._visual = visual
        self._trunk = trunk = visual.trunk
        self.prefix_count = int(trunk.num_prefix_tokens)
        self.pooling: Pooling = 'average'
        if trunk.attn_pool is not None:
            self.pooling = 'attention'
        elif trunk.global_pool == 'token':
            self.pooling = 'token'
        self._blocks = [TimmBlock(block) for block in trunk.blocks]
        self._places: dict[
            tuple[int, int], tuple[torch.Tensor | None, torch.Tensor | None]
        ] = {}

    @property
    def patch_size(self) -> tuple[int, int]:
        """Rows and columns of pixels in a patch."""
        height, width = self._trunk.patch_embed.feat_ratio(as_scalar=False)
        return int(height), int(width)

    @property
    def native_size(self) -> tuple[int, int]:
        """Rows and columns of pixels that the model was trained with."""
        height, width = self._trunk.patch_embed.img_size
        return int(height), int(width)

    @property
    def embedding_size(self) -> int:
        """Length of a token's embedding."""
        weight = self._trunk.blocks[-1].norm1.weight
        token = weight.new_zeros(1, 1, len(weight))
        with torch.inference_mode():
            return int(self.project(token).shape[-1])

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move; only weights of matrix products take `dtype`."""
        for block in self._blocks:
            block.unpack()
        self._visual.to(device)
        embed = self._trunk.patch_embed
        if isinstance(embed, PatchEmbed):
            # A stem of several convolutions stays exact: it costs little.
            embed.proj.to(dtype)
        packs = device.type == 'cpu' and can_pack(dtype)
        for block in self._blocks:
            block.to(device, dtype)
            if packs:
                block.pack()
        self._places.clear()

    def blocks_at(self, grid: tuple[int, int]) -> Sequence[TimmBlock]:
        """Return the blocks for a grid of rows and columns of patches."""
        _, rotation = self._places_at(grid)
        return [block.at(rotation) for block in self._blocks]

    def _places_at(
        self, grid: tuple[int, int]
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Return the table of positions and the rotations of a grid."""
        if grid not in self._places:
            if len(self._places) == _MOST_GRIDS:
                self._places.clear()
            trunk = self._trunk
            native = tuple(trunk.patch_embed.grid_size)
            table = trunk.pos_embed
            if table is not None and grid != native:
                # As timm itself does for a size that is not the native one;
                # on the CPU, for not every device can.
                table = resample_abs_pos_embed(
                    table.cpu(),
                    new_size=list(grid),
                    old_size=list(native),
                    num_prefix_tokens=0
                    if trunk.no_embed_class
                    else self.prefix_count,
                ).to(table.device)
            rope = getattr(trunk, 'rope', None)
            if rope is not None and rope.feat_shape is None:
                rotation = rope.get_embed(shape=list(grid))
            elif rope is not None:
                # A copy: the size is a state of timm's module.
                rope = copy.deepcopy(rope)
                rope.update_feat_shape(list(grid))
                rotation = rope.get_embed()
            else:
                rotation = None
            self._places[grid] = table, rotation
        return self._places[grid]

    def embed(
        self, pixels: torch.Tensor, grid: tuple[int, int]
    ) -> torch.Tensor:
        """Return what the first block takes, (B, prefix + N, C) float32."""
        trunk = self._trunk
        x = self._embed_patches(pixels, grid)
        table, _ = self._places_at(grid)
        prefix = [
            token.expand(len(x), -1, -1)
            for token in (trunk.cls_token, trunk.reg_token)
            if token is not None
        ]
        if trunk.no_embed_class and table is not None:
            x = x + table
        x = torch.cat([*prefix, x], dim=1)
        if not trunk.no_embed_class and table is not None:
            x = x + table
        embedded: torch.Tensor = trunk.norm_pre(x)
        return embedded

    def _embed_patches(
        self, pixels: torch.Tensor, grid: tuple[int, int]
    ) -> torch.Tensor:
        """Return tokens (B, rows * columns, C) float32 of the patches."""
        embed = self._trunk.patch_embed
        height, width = (
            count * side
            for count, side in zip(grid, self.patch_size, strict=True)
        )
        weight = next(embed.parameters())
        x = pixels[:, :, :height, :width].to(weight.device, weight.dtype)
        if isinstance(embed, HybridEmbed):
            x = embed.backbone(x)
            if isinstance(x, list | tuple):
                x = x[-1]
        x = embed.proj(x).float()
        if tuple(x.shape[2:]) != grid:
            raise refuse(
                f'The image tower makes {tuple(x.shape[2:])} tokens of '
                f'{height} x {width} pixels, not {grid}.'
            )
        patches: torch.Tensor = x.flatten(2).transpose(1, 2)
        if isinstance(embed, PatchEmbed):
            patches = embed.norm(patches)
        return patches

    def project(self, x: torch.Tensor) -> torch.Tensor:
        """Return embeddings (B, N, D) of the last block's tokens (B, N, C).

        Where the model pools by attention, the embedding of a window that has
        this token alone: the value path, for all the attention goes to it.
        """
        trunk = self._trunk
        x = trunk.norm(x)
        if trunk.attn_pool is not None:
            x = _pool_each(trunk.attn_pool, x)
        projected: torch.Tensor = self._visual.head(
            trunk.head(trunk.fc_norm(x))
        )
        return projected

    def pool(self, x: torch.Tensor) -> torch.Tensor:
        """Return the model's own embeddings (B, D) of whole windows."""
        trunk = self._trunk
        pooled: torch.Tensor = self._visual.head(
            trunk.forward_head(trunk.norm(x))
        )
        return pooled


def _pool_each(pool: AttentionPoolLatent, x: torch.Tensor) -> torch.Tensor:
    """Return what attention pooling makes of each token (B, N, C) alone."""
    width = pool.kv.out_features // 2
    bias = None if pool.kv.bias is None else pool.kv.bias[width:]
    value = linear(x, pool.kv.weight[width:], bias)
    x = pool.proj(value)
    if pool.mlp is not None:
        x = x + pool.mlp(pool.norm(x))
    return x


def _check(visual: TimmModel) -> None:
    """Raise ``ModelError`` if a tower has parts that cannot be run."""
    trunk = visual.trunk
    kind = type(trunk).__name__
    if type(trunk) not in (VisionTransformer, Eva):
        raise refuse_convolutions(kind)
    unknown = find_unknown(trunk, _TRUNK_PARTS) or find_unknown(
        visual.head, _HEAD_PARTS
    )
    if unknown:
        raise refuse(
            f'The image tower ({kind}) has a part {unknown} that this '
            'program does not know.'
        )
    embed = trunk.patch_embed
    if type(embed) not in (PatchEmbed, HybridEmbed):
        raise refuse(
            'The image tower makes its patches in a way that this program '
            f'does not know ({type(embed).__name__}).'
        )
    rope = getattr(trunk, 'rope', None)
    if rope is not None and type(rope) is not RotaryEmbeddingCat:
        raise refuse(
            'The image tower rotates by places in a way that this program '
            f'does not know ({type(rope).__name__}).'
        )
    for block in trunk.blocks:
        check_block(block)
    _check_pooling(trunk)


def _check_pooling(trunk: VisionTransformer | Eva) -> None:
    pool = trunk.attn_pool
    if pool is None:
        if trunk.global_pool not in ('token', 'avg'):
            raise refuse(
                'The image tower pools its tokens in a way that leaves none '
                f'to compare with texts ({trunk.global_pool or "none"}).'
            )
        return
    if (
        type(pool) is not AttentionPoolLatent
        or find_unknown(pool, _POOL_PARTS)
        or pool.latent_len != 1
    ):
        raise refuse(
            'The image tower pools its tokens by attention of a kind that '
            f'this program does not know ({type(pool).__name__}).'
        )
