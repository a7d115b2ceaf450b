"""The picture at the top of the README, from a run: which classes use which latents, and what three of them do.

python docs/make_overview.py runs/demo/class-consistent
"""

import re
import sys
from pathlib import Path

from cospike import plots
from cospike.kinds import GLOBAL_KINDS
from cospike.report_figures import RunView, overlap, pattern
from cospike.report_samples import traversal

_OUT = Path(__file__).parent / "images" / "overview.svg"
_GAP, _TITLE = 24, 26


def main(run: Path) -> None:
    """Set the report's own figures on one white card."""
    with plots.style():
        view = RunView.read(run)
        order, _ = overlap(view)
        panels = [("Which class uses which latent (mean probability of being active)", pattern(view, order) or "")]
        for name, kinds in (("global", GLOBAL_KINDS), ("group", ("group",)), ("class-specific", ("class-specific",))):
            factor = next(factor for factor in view.used if factor.kind in kinds)
            span = "low to high" if factor.kind == "always-on" else "off, then low to high"
            panels.append((f"Latent {factor.latent}, {name}: {span}", traversal(view, factor)))
    placed, x, y, width = [], _GAP, _GAP, 0.0
    for number, (title, svg) in enumerate(panels):
        wide, high = (float(side) for side in re.findall(r'(?:width|height)="(\d+)"', svg)[:2])
        placed.append(f'<text x="{x}" y="{y + 12}" font-size="14" font-weight="600">{title}</text>')
        placed.append(svg.replace("<svg ", f'<svg x="{x}" y="{y + _TITLE}" ', 1))
        width = max(width, x + wide + _GAP)
        if number == 0:
            y += _TITLE + high + _GAP
            below = y
        else:
            x += wide + _GAP
            below = max(below, y + _TITLE + high + _GAP)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{below:.0f}"'
    style = 'color="#1c2128" fill="#1c2128" font-family="system-ui, sans-serif"'
    body = "\n".join(placed)
    _OUT.parent.mkdir(exist_ok=True)
    _OUT.write_text(
        f'{head} {style}>\n<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n', encoding="utf-8"
    )
    print(_OUT)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
