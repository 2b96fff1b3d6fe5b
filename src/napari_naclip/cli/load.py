"""The model that a command line asks for."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from napari_naclip.cli.console import ProgressBar
from napari_naclip.cli.models import note_terms
from napari_naclip.engine.errors import LicenseWarning
from napari_naclip.engine.registry import AUTO_NAME, DEMO_NAME, find_model
from napari_naclip.io.folders import text_cache_folder

if TYPE_CHECKING:
    import argparse

    from napari_naclip.engine.models import Model


def load_chosen(arguments: argparse.Namespace) -> Model:
    """Load the model that options name, with a bar for its progress.

    Raises
    ------
    NaclipError
        If there is none, or it cannot be loaded.
    """
    if arguments.download and arguments.model not in (DEMO_NAME, AUTO_NAME):
        note_terms(find_model(arguments.model))
    with ProgressBar(arguments.progress) as bar, warnings.catch_warnings():
        warnings.simplefilter('ignore', LicenseWarning)  # it is said above
        # Here and not above: this imports torch, which takes seconds.
        from napari_naclip.engine.models import load_model

        return load_model(
            arguments.model,
            weights=arguments.weights,
            device=arguments.device,
            precision=arguments.precision,
            activation=arguments.activation,
            download=arguments.download,
            cache_folder=text_cache_folder(),
            progress=bar,
        )
