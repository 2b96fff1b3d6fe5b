"""The recipe: plain data that says how a result was made."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

from napari_naclip.engine.types import Region

if TYPE_CHECKING:
    from napari_naclip.engine.classify import Features
    from napari_naclip.engine.segmenter import Segmenter
    from napari_naclip.engine.types import ClassList

#: Packages whose versions can change a result.
_PACKAGES = ('napari-naclip', 'torch', 'open_clip_torch', 'numpy')


def package_versions() -> dict[str, str]:
    """Return the versions of Python and the packages that make labels."""
    versions = {'python': platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = 'not installed'
    return versions


def make_recipe(
    segmenter: Segmenter, features: Features, classes: ClassList
) -> dict[str, Any]:
    """Return what a result depends on, ready for JSON.

    It holds no path and no file name of the user's.
    """
    model, settings, plan = (
        segmenter.model,
        segmenter.settings,
        features.plan,
    )
    region = features.region
    is_whole = region == Region(0, 0, *features.size)
    return {
        'versions': package_versions(),
        'model': model.to_dict(),
        'settings': settings.to_dict(),
        'classes': classes.to_dict(),
        'image': {
            'size': list(features.size),
            'region': None
            if is_whole
            else [region.top, region.left, region.bottom, region.right],
            'seen_at': [plan.height, plan.width],
            'window': [plan.window_height, plan.window_width],
            'windows': len(features.part),
            'area_averaged': segmenter.averages_area(features.size),
        },
    }
