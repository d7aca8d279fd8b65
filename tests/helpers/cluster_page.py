"""What is there to copy from docs/cluster.md, as it stands."""

import re
import textwrap
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "cluster.md"


def blocks(heading: str, language: str = "sh") -> list[str]:
    """The blocks of code below a heading of the page."""
    text = PAGE.read_text(encoding="utf-8")
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section is not None, heading
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```$", section[1], re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for block in found]


def lines(block: str) -> list[str]:
    """The commands of a block, without what is said beside them."""
    return [command for line in block.splitlines() if (command := line.partition(" #")[0].rstrip())]
