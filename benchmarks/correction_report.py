"""Tables and the plot of the correction study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

#: Resamplings of the scenes for an interval.
_RESAMPLINGS = 10_000


def interval(values: np.ndarray, below: np.ndarray | None = None) -> str:
    """Return a mean, or a ratio of means, with its 95 % interval."""
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(values), (_RESAMPLINGS, len(values)))
    found, value = values[draws].mean(axis=1), values.mean()
    if below is not None:
        found = found / below[draws].mean(axis=1)
        value = value / below.mean()
    low, high = np.quantile(found, (0.025, 0.975))
    return f'{value:.3f} ({low:.3f} to {high:.3f})'


def report(name: str, found: dict[str, Any]) -> str:
    """Return the figures of a case as text."""
    scenes = found['scenes']
    kept = [row for row in scenes if row['ways'] is not None]

    def column(key: str) -> np.ndarray:
        return np.array([row[key] for row in scenes], float)

    lines = [
        f'## {name}',
        (
            f'{len(scenes)} scenes, {column("regions").mean():.0f} regions in '
            f'the mean, {column("regions").max():.0f} at most'
        ),
        (
            f'draft {interval(column("draft"))}, '
            f'ceiling {interval(column("ceiling"))}'
        ),
    ]
    if not kept:
        return '\n'.join([*lines, 'nothing to correct'])
    actions = {
        order: np.array([row['actions'][order] for row in kept])
        for order in kept[0]['actions']
    }
    lines.append(f'answers for 95 % of the way, {len(kept)} scenes:')
    for order, each in actions.items():
        line = f'  {order}: {each.mean():.1f}'
        if order != 'guided':
            line += f'; guided / this: {interval(actions["guided"], each)}'
        lines.append(line)
    return '\n'.join(lines)


def reliability(doubt: np.ndarray, wrong: np.ndarray) -> str:
    """Return how often labels are wrong that are doubted so much."""
    lines = [
        f'## doubt before any answer, {len(doubt)} regions',
        (
            f'Brier score {np.mean((doubt - wrong) ** 2):.3f}, of the mean '
            f'alone {wrong.mean() * (1 - wrong.mean()):.3f}'
        ),
    ]
    edges = np.linspace(0, 1, 6)
    places = np.clip(np.searchsorted(edges, doubt, 'right') - 1, 0, 4)
    for place in range(5):
        inside = places == place
        if inside.any():
            lines.append(
                f'  {edges[place]:.1f} to {edges[place + 1]:.1f}: '
                f'{inside.sum()} regions, doubt {doubt[inside].mean():.2f}, '
                f'wrong {wrong[inside].mean():.2f}'
            )
    return '\n'.join(lines)


def figure(results: dict[str, Any], file: Path) -> None:
    """Draw the mean way of each order over the answers, a case a panel."""
    import matplotlib as mpl

    mpl.use('Agg')
    import matplotlib.pyplot as plt

    names = [name for name in results if 'classes of' not in name]
    image, axes = plt.subplots(
        1, len(names), figsize=(3.2 * len(names), 3.2), sharey=True
    )
    styles = {'guided': '-', 'largest first': '--', 'random by area': ':'}
    for axis, name in zip(np.atleast_1d(axes), names, strict=True):
        kept = [row for row in results[name]['scenes'] if row['ways']]
        for order, style in styles.items():
            ways = [row['ways'][order] for row in kept]
            longest = max(map(len, ways))
            padded = [way + [1.0] * (longest - len(way)) for way in ways]
            axis.plot(np.mean(padded, axis=0), style, label=order)
        axis.axhline(0.95, color='0.7', linewidth=0.8)
        axis.set(title=name, xlabel='answers')
    np.atleast_1d(axes)[0].set_ylabel('share of the way to the ceiling')
    np.atleast_1d(axes)[0].legend()
    image.tight_layout()
    image.savefig(file, dpi=100)
