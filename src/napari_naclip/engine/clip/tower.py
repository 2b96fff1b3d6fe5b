"""The image tower: open_clip's vision transformer with NACLIP's last block.

open_clip's own forward runs at the native size only and ends in the CLS
token; this one runs at any size and ends in the patch tokens.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

import torch
from open_clip.transformer import VisionTransformer
from torch.nn.functional import interpolate, scaled_dot_product_attention
from torch.nn.functional import normalize as unit_length

from napari_naclip.engine.attention import (
    attend,
    mix_across,
    neighborhood_bias,
)
from napari_naclip.engine.beyond import Beyond, middle_blocks
from napari_naclip.engine.clip import blocks
from napari_naclip.engine.clip.products import can_pack
from napari_naclip.engine.errors import ModelError

if TYPE_CHECKING:
    from napari_naclip.engine.types import Architecture, Strategy

_OFF: Final = Beyond()


class ImageTower:
    """Turns windows of pixels into unit tokens, one for each patch.

    Parameters
    ----------
    visual : torch.nn.Module
        open_clip's ``VisionTransformer``; it is copied, not changed.
    device : torch.device
    dtype : torch.dtype
        Of the matrix products; the rest runs in float32.

    Raises
    ------
    ModelError
        If the vision tower is of another kind.
    """

    def __init__(
        self,
        visual: torch.nn.Module,
        *,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        if not isinstance(visual, VisionTransformer):
            raise ModelError(
                f'The image tower is a {type(visual).__name__}; NACLIP needs '
                "open_clip's VisionTransformer. Choose one of the models "
                'that "napari-naclip models" lists.'
            )
        if visual.attn_pool is not None:
            raise ModelError(
                'The model pools its image tokens by attention (CoCa): they '
                'are not comparable with texts one by one. Choose one of the '
                'models that "napari-naclip models" lists.'
            )
        self._visual = copy.deepcopy(visual).float().eval()
        self._visual.requires_grad_(False)
        self._blocks = blocks.wrap_blocks(self._visual.transformer.resblocks)
        #: Number of weights.
        self.parameter_count = sum(
            each.numel() for each in self._visual.parameters()
        )
        self._biases: dict[tuple[object, ...], torch.Tensor] = {}
        self._positions: dict[tuple[int, int], torch.Tensor] = {}
        self.to(device, dtype)

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
        """Move the tower; only weights of matrix products take `dtype`."""
        self.device = device
        self.dtype = dtype
        for block in self._blocks:
            block.unpack()
        self._visual.to(device)
        self._visual.conv1.to(dtype)
        packs = device.type == 'cpu' and can_pack(dtype)
        for block in self._blocks:
            block.to(dtype)
            if packs:
                block.pack()
        self._biases.clear()
        self._positions.clear()

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return the rows and columns of tokens of a window in pixels."""
        patch_height, patch_width = self.patch_size
        return height // patch_height, width // patch_width

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

    def _bias(self, grid: tuple[int, int], std: float) -> torch.Tensor:
        key = (grid, std)
        if key not in self._biases:
            # One grid and one width at a time: windows of a run are equal.
            self._biases = {
                key: neighborhood_bias(
                    grid, std, device=self.device, dtype=self.dtype
                )
            }
        return self._biases[key]

    @torch.inference_mode()
    def tokens(
        self,
        pixels: torch.Tensor,
        *,
        strategy: Strategy = 'naclip',
        architecture: Architecture = 'reduced',
        gaussian_std: float = 5.0,
        beyond: Beyond = _OFF,
    ) -> torch.Tensor:
        """Return the unit tokens of windows of one size.

        Parameters
        ----------
        pixels : (B, 3, H, W) float32 Tensor
            Normalized pixels, at least one patch high and wide. Pixels beyond
            the last whole patch are not looked at.
        beyond : Beyond
            Of which only the shares count here: see ``views`` for the rest.

        Returns
        -------
        (B, rows, columns, D) float32 Tensor
            Of unit length along D, on the tower's device.
        """
        visual = self._visual
        grid = self.grid(pixels.shape[2], pixels.shape[3])
        x = visual.conv1(pixels.to(self.device, self.dtype)).float()
        x = x.flatten(2).transpose(1, 2)
        cls_token = visual.class_embedding.float().expand(len(x), 1, -1)
        x = torch.cat([cls_token, x], dim=1)
        x = x + self._position_embedding(grid)
        x = blocks.normalize(visual.ln_pre, x, torch.float32)
        middle = middle_blocks(len(self._blocks)) if beyond.cross_share else ()
        across: list[tuple[torch.Tensor, torch.Tensor]] = []
        for index, block in enumerate(self._blocks[:-1]):
            if index in middle:
                heads = block.project_heads(x)
                across.append(heads[:2])
                x = block.run(x, heads=heads)
            else:
                x = block.run(x)
        heads = self._blocks[-1].project_heads(x)
        attended = mix_across(
            attend(*heads, self._bias(grid, gaussian_std), strategy),
            heads[2],
            across,
            beyond.cross_share,
        )
        tokens = self._embed(self._finish(x, attended, architecture)[:, 1:])
        if beyond.cls_share:
            whole = self._embed_window(x, *heads)
            tokens = unit_length(tokens + beyond.cls_share * whole, dim=-1)
        return tokens.unflatten(1, grid)  # type: ignore[no-any-return]

    def _finish(
        self, x: torch.Tensor, attended: torch.Tensor, architecture: str
    ) -> torch.Tensor:
        """Return the last block's output from its attention's heads."""
        block = self._blocks[-1]
        merged = block.merge_heads(attended)
        if architecture == 'reduced':
            return merged
        return block.add_mlp(block.add_attended(x, merged))

    def _embed_window(
        self,
        x: torch.Tensor,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
    ) -> torch.Tensor:
        """Return CLIP's own embedding of the windows, (B, 1, D)."""
        attended = scaled_dot_product_attention(query[:, :, :1], key, value)
        return self._embed(self._finish(x[:, :1], attended, 'vanilla'))

    def _embed(self, x: torch.Tensor) -> torch.Tensor:
        """Return the unit embeddings (B, N, D) of the last block's output."""
        visual = self._visual
        x = blocks.normalize(visual.ln_post, x, torch.float32)
        embedded: torch.Tensor = unit_length(x @ visual.proj.float(), dim=-1)
        return embedded
