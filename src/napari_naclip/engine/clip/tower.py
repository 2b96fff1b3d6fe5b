"""The image tower: a vision transformer with NACLIP's last block.

A model's own forward runs at the native size only and ends in one embedding;
this one runs at any size and ends in the patch tokens.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

import torch
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer
from torch.nn.functional import normalize as unit_length
from torch.nn.functional import scaled_dot_product_attention

from napari_naclip.engine.attention import (
    attend,
    mix_across,
    neighborhood_bias,
)
from napari_naclip.engine.beyond import Beyond, middle_blocks
from napari_naclip.engine.clip.vision import (
    Vision,
    VisionBlock,
    refuse_convolutions,
)
from napari_naclip.engine.clip.vision_openclip import OpenClipVision
from napari_naclip.engine.clip.vision_timm import TimmVision

if TYPE_CHECKING:
    from napari_naclip.engine.clip.vision import Heads, Pooling
    from napari_naclip.engine.types import Architecture, Strategy

_OFF: Final = Beyond()


def find_vision(visual: torch.nn.Module) -> Vision:
    """Return the parts of an image tower; its structure decides, not a name.

    Parameters
    ----------
    visual : torch.nn.Module
        open_clip's ``VisionTransformer`` or ``TimmModel``; held, not copied.
        Without weights (on the meta device) it will do.

    Raises
    ------
    ModelError
        If NACLIP cannot work on the tower; the text says why.
    """
    if isinstance(visual, VisionTransformer):
        return OpenClipVision(visual)
    if isinstance(visual, TimmModel):
        return TimmVision(visual)
    raise refuse_convolutions(type(visual).__name__)


class ImageTower:
    """Turns windows of pixels into unit tokens, one for each patch.

    Parameters
    ----------
    visual : torch.nn.Module
        open_clip's ``VisionTransformer``, or its ``TimmModel`` with a plain
        transformer; it is copied, not changed.
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
        find_vision(visual)  # before a copy is made of what is refused
        self._visual = copy.deepcopy(visual).float().eval()
        self._visual.requires_grad_(False)
        self._vision = find_vision(self._visual)
        #: Number of weights.
        self.parameter_count = sum(
            each.numel() for each in self._visual.parameters()
        )
        self._biases: dict[tuple[object, ...], torch.Tensor] = {}
        self.to(device, dtype)

    @property
    def patch_size(self) -> tuple[int, int]:
        """Rows and columns of pixels in a patch."""
        return self._vision.patch_size

    @property
    def native_size(self) -> tuple[int, int]:
        """Rows and columns of pixels that the model was trained with."""
        return self._vision.native_size

    @property
    def embedding_size(self) -> int:
        """Length of a token's embedding."""
        return self._vision.embedding_size

    @property
    def pooling(self) -> Pooling:
        """How the model makes one embedding of its tokens."""
        return self._vision.pooling

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move the tower; only weights of matrix products take `dtype`."""
        self.device = device
        self.dtype = dtype
        self._vision.to(device, dtype)
        self._biases.clear()

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return the rows and columns of tokens of a window in pixels."""
        patch_height, patch_width = self.patch_size
        return height // patch_height, width // patch_width

    def _bias(self, grid: tuple[int, int], std: float) -> torch.Tensor:
        key = (grid, std)
        if key not in self._biases:
            # One grid and one width at a time: windows of a run are equal.
            self._biases = {
                key: neighborhood_bias(
                    grid,
                    std,
                    prefix=self._vision.prefix_count,
                    device=self.device,
                    dtype=self.dtype,
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
        grid = self.grid(pixels.shape[2], pixels.shape[3])
        *blocks, last = self._vision.blocks_at(grid)
        x = self._vision.embed(pixels, grid)
        middle = middle_blocks(len(blocks) + 1) if beyond.cross_share else ()
        across: list[tuple[torch.Tensor, torch.Tensor]] = []
        for index, block in enumerate(blocks):
            if index in middle:
                heads = block.project_heads(x)
                across.append(heads[:2])
                x = block.run(x, heads=heads)
            else:
                x = block.run(x)
        heads = last.project_heads(x)
        attended = mix_across(
            attend(*heads, self._bias(grid, gaussian_std), strategy),
            heads[2],
            across,
            beyond.cross_share,
        )
        last_x = _finish(last, x, attended, architecture)
        tokens = unit_length(
            self._vision.project(last_x[:, self._vision.prefix_count :]),
            dim=-1,
        )
        if beyond.cls_share:
            whole = self._embed_windows(last, x, heads)[:, None]
            tokens = unit_length(tokens + beyond.cls_share * whole, dim=-1)
        return tokens.unflatten(1, grid)  # type: ignore[no-any-return]

    @torch.inference_mode()
    def window_embeddings(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the model's own embeddings of whole windows of one size.

        Parameters
        ----------
        pixels : (B, 3, H, W) float32 Tensor
            As ``tokens`` takes them.

        Returns
        -------
        (B, D) float32 Tensor
            Of unit length.
        """
        grid = self.grid(pixels.shape[2], pixels.shape[3])
        *blocks, last = self._vision.blocks_at(grid)
        x = self._vision.embed(pixels, grid)
        for block in blocks:
            x = block.run(x)
        return self._embed_windows(last, x, last.project_heads(x))

    def _embed_windows(
        self, last: VisionBlock, x: torch.Tensor, heads: Heads
    ) -> torch.Tensor:
        """Return the model's own embeddings (B, D) of the windows.

        Parameters
        ----------
        last : VisionBlock
        x : (B, prefix + N, C) float32 Tensor
            What the last block takes.
        heads : tuple of Tensor
            Its query, key and value.
        """
        query, key, value = heads
        if self._vision.pooling == 'token':
            query, x = query[:, :, :1], x[:, :1]
        attended = scaled_dot_product_attention(query, key, value)
        pooled = self._vision.pool(_finish(last, x, attended, 'vanilla'))
        return unit_length(pooled, dim=-1)


def _finish(
    last: VisionBlock,
    x: torch.Tensor,
    attended: torch.Tensor,
    architecture: Architecture,
) -> torch.Tensor:
    """Return the last block's output from its attention's heads."""
    merged = last.merge_heads(attended)
    if architecture == 'reduced':
        return merged
    return last.add_mlp(last.add_attended(x, merged))
