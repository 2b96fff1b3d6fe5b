"""open_clip's own vision transformer, in parts.

Its own forward runs at the native size only and ends in the pooled token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import interpolate

from napari_naclip.engine.clip import blocks
from napari_naclip.engine.clip.products import can_pack
from napari_naclip.engine.clip.vision import Pooling, refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from open_clip.transformer import VisionTransformer


class OpenClipVision:
    """The parts of open_clip's ``VisionTransformer``: see ``Vision``.

    Parameters
    ----------
    visual : VisionTransformer
        Held, not copied; in float32.

    Raises
    ------
    ModelError
        If it pools by attention, or its blocks are not CLIP's plain ones.
    """

    prefix_count = 1

    def __init__(self, visual: VisionTransformer) -> None:
        if visual.attn_pool is not None:
            raise refuse(
                'The model pools its image tokens by attention (CoCa): they '
                'are not comparable with texts one by one.'
            )
        self._visual = visual
        is_token = visual.pool_type == 'tok'
        self.pooling: Pooling = 'token' if is_token else 'average'
        self._blocks = blocks.wrap_blocks(visual.transformer.resblocks)
        self._positions: dict[tuple[int, int], torch.Tensor] = {}

    @property
    def patch_size(self) -> tuple[int, int]:
        """Rows and columns of pixels in a patch."""
        height, width = self._visual.patch_size
        return int(height), int(width)

    @property
    def native_size(self) -> tuple[int, int]:
        """Rows and columns of pixels that the model was trained with."""
        height, width = self._visual.image_size
        return int(height), int(width)

    @property
    def embedding_size(self) -> int:
        """Length of a token's embedding."""
        return int(self._visual.proj.shape[1])

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move; only weights of matrix products take `dtype`."""
        for block in self._blocks:
            block.unpack()
        self._visual.to(device)
        self._visual.conv1.to(dtype)
        packs = device.type == 'cpu' and can_pack(dtype)
        for block in self._blocks:
            block.to(dtype)
            if packs:
                block.pack()
        self._positions.clear()

    def blocks_at(self, grid: tuple[int, int]) -> Sequence[blocks.Block]:
        """Return the blocks, which are the same for all grids."""
        del grid
        return self._blocks

    def embed(
        self, pixels: torch.Tensor, grid: tuple[int, int]
    ) -> torch.Tensor:
        """Return what the first block takes, (B, 1 + N, C) float32."""
        visual = self._visual
        weight = visual.conv1.weight
        x = visual.conv1(pixels.to(weight.device, weight.dtype)).float()
        x = x.flatten(2).transpose(1, 2)
        cls_token = visual.class_embedding.float().expand(len(x), 1, -1)
        x = torch.cat([cls_token, x], dim=1)
        x = x + self._position_embedding(grid)
        return blocks.normalize(visual.ln_pre, x, torch.float32)

    def _position_embedding(self, grid: tuple[int, int]) -> torch.Tensor:
        table = self._visual.positional_embedding
        rows, columns = self._visual.grid_size
        if grid == (rows, columns):
            return table.float()  # type: ignore[no-any-return]
        if grid not in self._positions:
            # The published resize: bicubic, factors (g + 0.1) / g0, neither
            # antialiased nor recomputed from the sizes. Anything else moves
            # the features by up to 0.05.
            patches = interpolate(
                table[1:].float().T.reshape(1, -1, rows, columns),
                scale_factor=(
                    (grid[0] + 0.1) / rows,
                    (grid[1] + 0.1) / columns,
                ),
                mode='bicubic',
            )
            self._positions[grid] = torch.cat(
                [table[:1].float(), patches[0].flatten(1).T]
            )
        return self._positions[grid]

    def project(self, x: torch.Tensor) -> torch.Tensor:
        """Return embeddings (B, N, D) of the last block's tokens (B, N, C)."""
        visual = self._visual
        x = blocks.normalize(visual.ln_post, x, torch.float32)
        embeddings: torch.Tensor = x @ visual.proj.float()
        return embeddings

    def pool(self, x: torch.Tensor) -> torch.Tensor:
        """Return the model's own embeddings (B, D) of whole windows."""
        pooled, _ = self._visual._pool(x)
        embeddings: torch.Tensor = pooled @ self._visual.proj.float()
        return embeddings
