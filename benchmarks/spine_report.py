"""The tables that the benchmark prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

#: How far the baseline may be from the published times.
TOLERANCE: Final = 0.2


def print_facts(facts: dict[str, str]) -> None:
    """Print the machine's facts."""
    for name, value in facts.items():
        print(f'{name + ":":<22}{value}')


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """Print times, memory and agreement, a table each."""
    print(
        f'\n{"median of pairs":<32}{"baseline":>10}{"engine":>10}'
        f'{"ratio":>8}{"least":>8}{"most":>8}{"target":>8}'
    )
    for row in rows:
        target = row['target']
        text = '' if target is None else f'{target:g}'
        if target is not None and row['ratio'] < target:
            text = f'missed {text}'
        print(
            f'{row["title"]:<32}{row["baseline_s"]:>8.3f} s'
            f'{row["engine_s"]:>8.3f} s{row["ratio"]:>8.2f}'
            f'{row["ratio_least"]:>8.2f}{row["ratio_most"]:>8.2f}{text:>8}'
        )
    print(
        f'\n{"peak memory, MB (VmHWM)":<32}{"baseline":>10}{"above":>8}'
        f'{"engine":>10}{"above":>8}'
    )
    for row in rows:
        cells = ''
        for side, width in (('baseline', 10), ('engine', 10)):
            memory = row[f'{side}_memory']
            if memory is None:
                cells += f'{"-":>{width}}{"-":>8}'
                continue
            above = memory['peak'] - memory['before']
            cells += f'{memory["peak"]:>{width}.0f}{above:>8.0f}'
        print(f'{row["title"]:<32}{cells}')
    print(
        f'\n{"largest difference":<32}{"values":>10}{"labels":>11}'
        f'{"clear ones":>12}'
    )
    for row in rows:
        labels = '' if row['labels'] is None else f'{row["labels"]:.4%}'
        clear = '' if row['labels'] is None else f'{row["clear_labels"]:.4%}'
        print(
            f'{row["title"]:<32}{row["largest"]:>10.1e}{labels:>11}{clear:>12}'
        )


def print_checks(checks: Sequence[dict[str, Any]]) -> None:
    """Print how the baseline stands to the matrix rate."""
    print(
        '\nThe baseline beside plain matrix products: GFLOP that these do in '
        'its time'
    )
    print(f'{"":<32}{"here":>10}{"published":>11}{"quotient":>10}')
    for check in checks:
        quotient = check['quotient']
        verdict = 'within 20 %'
        if quotient < 1 - TOLERANCE:
            verdict = 'faster than published'
        elif quotient > 1 + TOLERANCE:
            verdict = 'slower than published'
        print(
            f'{check["title"]:<32}{check["gflop"]:>10.0f}'
            f'{check["published_gflop"]:>11.0f}{quotient:>10.2f}  {verdict}'
        )
