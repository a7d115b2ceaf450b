"""Draws docs/images/explorer.webp, the moving picture of the README: the explorer of a run, as somebody uses it.

    cospike explore runs/demo/class-consistent --no-open
    python docs/make_explorer_picture.py runs/demo/class-consistent

It needs Playwright (in the group `dev`) and a Chromium; no frame is retouched.
"""

import io
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

OUT = Path(__file__).parent / "images" / "explorer.webp"
WIDTH, HEIGHT, SCALE = 1180, 800, 0.9
LONG, SHORT = 900, 90  # milliseconds that a frame stays
MAX_BYTES = 2_000_000


def scenes(page: Page) -> Iterator[int]:
    """Does something, and says how long what is then seen stays."""
    yield LONG
    page.locator("#bench").scroll_into_view_if_needed()
    page.evaluate("document.querySelector('#bench').scrollIntoView()")
    page.locator("#panel button.tile").nth(4).click()
    yield LONG
    switches = page.locator("#code [role=switch]")
    for nth in (switches.count() - 1, switches.count() - 2):  # spikes of its class alone
        switches.nth(nth).click()
        yield LONG
    switches.nth(switches.count() - 1).click()
    switches.nth(switches.count() - 2).click()
    yield from drag(page, "#code input[type=range]", nth=0)
    yield from drag(page, "#code input[type=range]", nth=2)
    page.get_by_role("tab", name="Latent").click()
    yield LONG
    yield from drag(page, ".traversal input[type=range]")
    page.get_by_role("tab", name="New samples").click()
    yield LONG
    for _ in range(3):
        page.get_by_role("button", name="Draw again").click()
        yield 3 * SHORT
    page.get_by_role("tab", name="Morph").click()
    page.wait_for_selector(".steps .tile")
    yield LONG
    yield from drag(page, ".walk input[type=range]", there_and_back=False)
    yield LONG


def drag(page: Page, selector: str, *, nth: int = 0, there_and_back: bool = True) -> Iterator[int]:
    """Moves a slider through its range, as a hand would."""
    box = page.locator(selector).nth(nth).bounding_box()
    assert box is not None
    places = [i / 14 for i in range(15)]
    if there_and_back:
        places = [0.5, 0.35, 0.2, 0.05, 0.0, 0.15, 0.3, 0.5, 0.7, 0.85, 1.0, 0.85, 0.7, 0.5]
    page.mouse.move(box["x"] + 8 + places[0] * (box["width"] - 16), box["y"] + box["height"] / 2)
    page.mouse.down()
    for place in places:
        page.mouse.move(box["x"] + 8 + place * (box["width"] - 16), box["y"] + box["height"] / 2)
        yield SHORT
    page.mouse.up()


def main(run: Path) -> None:
    """Plays the scenes on the explorer of ``run`` and keeps what is seen."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    frames, stays = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto((run / "explorer.html").resolve().as_uri())
        page.wait_for_selector("#code [role=switch]")
        page.wait_for_timeout(300)
        for stay in scenes(page):
            page.wait_for_timeout(80)
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            frames.append(picture.resize((round(SCALE * WIDTH), round(SCALE * HEIGHT)), Image.Resampling.LANCZOS))
            stays.append(stay)
        browser.close()
    frames[0].save(
        OUT, save_all=True, append_images=frames[1:], duration=stays, loop=0, quality=70, method=6, minimize_size=True
    )
    size = OUT.stat().st_size
    print(f"{OUT}: {len(frames)} frames, {sum(stays) / 1000:.0f} s, {size / 1e6:.2f} MB")
    if size > MAX_BYTES:
        sys.exit(f"It must be at most {MAX_BYTES / 1e6:.0f} MB.")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/demo/class-consistent"))
