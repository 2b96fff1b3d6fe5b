"""A CLIP small enough to be made, saved and loaded in a test."""

from __future__ import annotations

from typing import Any, Final

#: Its configuration, as open_clip writes one.
TINY_CFG: Final[dict[str, Any]] = {
    'embed_dim': 16,
    'vision_cfg': {
        'image_size': 32,
        'layers': 2,
        'width': 32,
        'head_width': 16,
        'patch_size': 8,
    },
    'text_cfg': {'vocab_size': 49408, 'width': 32, 'heads': 2, 'layers': 2},
}
