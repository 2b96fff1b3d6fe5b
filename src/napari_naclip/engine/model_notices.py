"""What a person should know about a model before its labels are believed."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Final

from napari_naclip.engine import registry
from napari_naclip.engine.errors import LicenseWarning
from napari_naclip.engine.hub import find_cached

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_naclip.engine.entry import RegistryEntry

#: How models make one embedding of their tokens, where it is not the first.
_POOLINGS: Final = {
    'attention': 'pools its tokens by attention',
    'average': 'averages its tokens',
}


def license_notice(entry: RegistryEntry) -> str:
    """Return what a license forbids, before a download; may be empty.

    Parameters
    ----------
    entry : RegistryEntry
        Of weights that are here already nothing is said.
    """
    if not entry.forbids_commercial or find_cached(entry) is not None:
        return ''
    return (
        f'the license of {entry.name} ({entry.license}) forbids commercial '
        f'use; see {entry.source}'
    )


def warn_of_license(name: str) -> None:
    """Warn of what ``license_notice`` says of a model, the caller's caller.

    Raises
    ------
    ModelError
        If there is no model of that name.
    """
    registry.check_choice(name, has_weights=False)
    if name != registry.DEMO_NAME:
        notice = license_notice(registry.find_model(name))
        if notice:
            warnings.warn(notice, LicenseWarning, stacklevel=3)


def pooling_notice(name: str, pooling: str) -> str:
    """Return what to know of how a model pools its tokens; may be empty.

    Parameters
    ----------
    name : str
        Of the model.
    pooling : {'token', 'average', 'attention'}
    """
    if pooling not in _POOLINGS:
        return ''
    return (
        f'{name} {_POOLINGS[pooling]}, for which the published method has no '
        'rule: each token is taken as if it stood alone. Take its results as '
        'experimental.'
    )


def vocabulary_notice(
    name: str, vocabulary: frozenset[str] | None, queries: Iterable[str]
) -> str:
    """Return which words a model does not know; may be empty.

    Parameters
    ----------
    name : str
        Of the model.
    vocabulary : frozenset of str or None
        All its words; None: too many to be listed.
    queries : iterable of str
    """
    if vocabulary is None:
        return ''
    words = {
        word: None
        for query in queries
        for word in re.findall(r'\w+', query.casefold())
        if word not in vocabulary
    }
    if not words:
        return ''
    unknown = ', '.join(repr(word) for word in words)
    return (
        f'The {name} model does not know {unknown} and will guess. '
        f'It knows only: {", ".join(sorted(vocabulary))}.'
    )
