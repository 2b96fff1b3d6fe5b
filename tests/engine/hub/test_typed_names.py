"""Which names of models can be typed."""

from __future__ import annotations

import open_clip
import pytest
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id
from hypothesis import given
from hypothesis import strategies as st

from napari_naclip.engine.architectures import repository_tags
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


@pytest.mark.parametrize(
    ('repo', 'license_name', 'forbids'),
    [
        (
            'apple/MobileCLIP-B-LT-OpenCLIP',
            'Apple ML Research Model License',
            True,
        ),
        (
            'timm/vit_base_patch16_clip_224.metaclip_400m',
            'CC-BY-NC-4.0',
            True,
        ),
        (
            'TIMM/vit_base_patch16_clip_224.MetaCLIP_400m',
            'CC-BY-NC-4.0',
            True,
        ),
        ('laion/CLIP-ViT-B-32-laion2B-s34B-b79K', 'MIT', False),
        # Made by others from the same data.
        ('UCSC-VLAA/ViT-H-14-CLIPA-336-laion2B', '', False),
        ('somebody/a-model', '', False),
    ],
)
def test_a_repository_has_the_license_of_its_tag_s_family(
    repo: str, license_name: str, forbids: bool
) -> None:
    entry = find_model(f'hf-hub:{repo}')
    assert (entry.license, entry.forbids_commercial) == (license_name, forbids)


def test_repositories_have_the_tags_of_open_clip_s_table() -> None:
    expected: dict[str, set[str]] = {}
    for arch, tag in open_clip.list_pretrained():
        name = open_clip.get_pretrained_cfg(arch, tag).get('hf_hub', '')
        expected.setdefault(name.rpartition('/')[0].casefold(), set()).add(tag)
    expected.pop('', None)
    found = repository_tags()
    assert found.keys() == expected.keys()
    for repo, tag in found.items():
        assert tag in expected[repo]
