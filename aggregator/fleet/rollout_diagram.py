"""The states of a rollout as a diagram, from the table that the engine goes by.

Run as ``python -m aggregator.fleet.rollout_diagram docs/rollouts.md``; a test compares the two.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from aggregator.fleet.rollout import BY_PEOPLE, TRANSITIONS, RolloutState

BEGIN, END = "<!-- states: begin -->", "<!-- states: end -->"


def diagram() -> str:
    """Return the diagram as Mermaid text in Markdown; an arrow in brackets is a person's act."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> running"]
    for (state, occurrence), becomes in TRANSITIONS.items():
        what = f"({occurrence.value})" if occurrence in BY_PEOPLE else occurrence.value
        lines.append(f"    {state.value} --> {becomes.value}: {what}")
    left = {state for state, _ in TRANSITIONS}
    lines += [f"    {state.value} --> [*]" for state in RolloutState if state not in left]
    return "\n".join([*lines, "```"])


def main(page: Path) -> None:
    """Put the diagram between its marks on the page."""
    between = f"{BEGIN}\n\n{diagram()}\n\n{END}"
    text = page.read_text()
    page.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: between, text, flags=re.DOTALL))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
