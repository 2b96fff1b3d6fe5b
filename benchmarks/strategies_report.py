"""The tables of the strategies, and how they get into the document."""

from __future__ import annotations

from statistics import mean
from typing import Any, Final

#: Between these lines of the document nothing is written by hand.
BEGIN: Final = '<!-- from here on by benchmarks/strategies.py -->'
END: Final = '<!-- to here by benchmarks/strategies.py -->'
_PLAIN: Final = 'reduced + naclip'


def put_tables(
    document: str, quality: dict[str, Any], cost: dict[str, Any]
) -> str:
    """Return a document with the tables between its two marks."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    made = '\n\n'.join((quality_table(quality), cost_table(cost)))
    return f'{before}{BEGIN}\n\n{made}\n\n{END}{after}'


def quality_table(found: dict[str, Any]) -> str:
    """Return the mean IoU of each row and set: mean, least and most."""
    rows = found['rows']
    sets = list(rows[_PLAIN])
    models = len(rows[_PLAIN][sets[0]])
    plain = [
        mean(rows[_PLAIN][name][model] for name in sets)
        for model in range(models)
    ]
    lines = [['', *sets, 'change', 'models better'], ['---'] * (len(sets) + 3)]
    for row, scores in rows.items():
        changes = [
            mean(scores[name][model] for name in sets) - plain[model]
            for model in range(models)
        ]
        is_plain = row == _PLAIN
        lines.append(
            [
                f'**{row}**' if is_plain else row,
                *(_spread(scores[name]) for name in sets),
                '' if is_plain else f'{mean(changes):+.3f}',
                ''
                if is_plain
                else f'{sum(each > 0 for each in changes)} of {models}',
            ]
        )
    head = (
        f'Mean IoU, {found["scenes"]} held-out scenes a set (seed '
        f'{found["seed"]}), windows of 112 px with stride 56; mean over '
        f'{models} models (least to most). *Change* is the mean over the '
        'sets against NACLIP.'
    )
    return f'{head}\n\n{_table(lines)}'


def cost_table(found: dict[str, Any]) -> str:
    """Return the time and the memory of each row."""
    lines = [['', 'time', 'memory (MB)'], ['---'] * 3]
    for row, each in found['rows'].items():
        times = (
            f'{each["time"]:.2f} ({each["least"]:.2f} to {each["most"]:.2f})'
        )
        lines.append([row, times, f'{each["memory"]:.0f}'])
    facts = ', '.join(
        f'{name}: {value}' for name, value in found['machine'].items()
    )
    head = (
        'Time of the windows of a picture of 336 x 448 px, random ViT-B/16 in '
        'float32, as a multiple of that of plain NACLIP right before it: '
        f'median of {found["repeat"]} (least to most). Memory beyond that of '
        f'the loaded model. {facts}.'
    )
    return f'{head}\n\n{_table(lines)}'


def _spread(scores: list[float]) -> str:
    if len(scores) == 1:
        return f'{scores[0]:.3f}'
    return f'{mean(scores):.3f} ({min(scores):.3f} to {max(scores):.3f})'


def _table(lines: list[list[str]]) -> str:
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)
