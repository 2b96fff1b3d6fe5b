"""Kept features: the unit tokens of windows, in memory and on the disk.

``FeatureStore`` is what the rest of the package uses. It is given a folder
and budgets and knows nothing of settings; a process's own one comes from
``napari_naclip.io.kept_features``.
"""

from __future__ import annotations

from napari_naclip.engine.store.features import FeatureStore, Usage

__all__ = ['FeatureStore', 'Usage']
