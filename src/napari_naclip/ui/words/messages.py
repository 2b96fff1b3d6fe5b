"""What the panel says of templates and words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from napari_naclip.io.template_sets import TemplateSet

OWN_TITLE: Final = 'Your own'
OWN_TIP: Final = 'Your own templates, {} of them. Edit shows them.'
TEMPLATES_TIP: Final = (
    'Sentences that are put around each prompt before the model reads it; '
    'the mean counts. More of them take longer, once for each prompt.'
)
EDIT_TIP: Final = (
    'Show the templates that are chosen, and make your own set from them.'
)
EDITOR_TITLE: Final = 'Prompt templates'
EDITOR_LABEL: Final = (
    'One template a line; {} is where the prompt goes. Lines that begin with '
    '# are left out.'
)
EDITOR_TIP: Final = 'For example: a photo of a {}.'
USE: Final = 'Use as my own'
USE_TIP: Final = (
    'Choose these templates and keep them as your own set, also for the next '
    'start.'
)
COUNT: Final = '{} templates'
COUNT_ONE: Final = '1 template'
NOT_KEPT: Final = 'Used now, but not kept for the next start: {}'

USE_SET: Final = 'Use templates “{}”'
USE_SET_TIP: Final = (
    'Put the sentences of that set around the prompts; they suit the list '
    'that you took. {}'
)


def describe_count(count: int) -> str:
    """Return how many templates there are."""
    return COUNT_ONE if count == 1 else COUNT.format(count)


def describe_set(each: TemplateSet) -> str:
    """Return what a set is and where it is from."""
    count = describe_count(len(each.templates))
    return f'{each.description} {count}. {each.source}'
