"""What a person should know about a model before its labels are believed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

#: How models make one embedding of their tokens, where it is not the first.
_POOLINGS: Final = {
    'attention': 'pools its tokens by attention',
    'average': 'averages its tokens',
}


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
