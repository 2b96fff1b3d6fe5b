"""Which names of models can be typed."""

from __future__ import annotations

import pytest
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id
from hypothesis import given
from hypothesis import strategies as st

from napari_naclip.engine.errors import ModelError
from napari_naclip.engine.registry import find_model


@pytest.mark.parametrize(
    'name',
    [
        'hf-hub:',
        'hf-hub:a',
        'hf-hub:a/b/c',
        'hf-hub:../b',
        'hf-hub:a/..',
        'hf-hub:a/b?c',
        'hf-hub:a--b/c',
        'hf-hub:ö/é',
        'hf-hub:a/b.',
        'hf-hub:a/b-',
        'hf-hub:-a/b',
        'hf-hub:a/b.git',
        f'hf-hub:a/{"b" * 97}',
        'local-dir:',
        'local-dir:/no/such/folder',
        'local-dir:~nobody-of-this-name/x',
        f'local-dir:/{"x" * 5000}',
        'local-dir:/a\0b',
        'ViT-B-16/',
        'ViT-B-17/openai',
    ],
)
def test_a_name_that_cannot_be_meant_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=r'Write '):
        find_model(name)


@given(
    st.from_regex(r'[\w.-]{1,98}/[\w.-]{1,98}', fullmatch=True)
    | st.text(alphabet='aZ9_.-/gité', max_size=12)
)
def test_the_rule_for_repositories_is_the_hub_s(repo: str) -> None:
    try:
        validate_repo_id(repo)
    except HFValidationError:
        is_valid = False
    else:
        is_valid = '/' in repo
    try:
        find_model(f'hf-hub:{repo}')
    except ModelError:
        assert not is_valid
    else:
        assert is_valid
