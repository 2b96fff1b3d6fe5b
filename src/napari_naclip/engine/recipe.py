"""The recipe: plain data that says how a result was made."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

from napari_naclip.engine.resize import uses_area_average
from napari_naclip.engine.windows import count_windows

if TYPE_CHECKING:
    from napari_naclip.engine.features import Features
    from napari_naclip.engine.models import Model
    from napari_naclip.engine.types import ClassList, Settings

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
    model: Model, settings: Settings, features: Features, classes: ClassList
) -> dict[str, Any]:
    """Return what a result depends on, ready for JSON.

    It holds no path and no file name of the user's.
    """
    plan, region = features.plan, features.region
    return {
        'versions': package_versions(),
        'model': model.to_dict(),
        'settings': settings.to_dict(),
        'classes': classes.to_dict(),
        'image': {
            'size': list(features.size),
            'region': None
            if features.is_whole
            else [region.top, region.left, region.bottom, region.right],
            'seen_at': [plan.height, plan.width],
            'window': [plan.window_height, plan.window_width],
            # Features may hold more, for what was asked before.
            'windows': count_windows(
                plan, features.size, region, settings.refine
            ),
            'area_averaged': uses_area_average(
                features.size, (plan.height, plan.width), settings.resampling
            ),
        },
    }
