"""How large the page of `cospike explore` is, how soon it answers, and how fast it decodes, in headless Chromium.

    python benchmarks/explorer.py RUN [--loads 10] [--decodes 2000] [--moves 300]

RUN is a run of images, as `cospike train mnist --out RUN` leaves it. A page is opened from disk, without a network, by
a browser that has just started, and its first switch is clicked as soon as it is there: the time runs from the
navigation to the frame that shows the changed picture. Then single codes are decoded one after the other, and a slider
is moved: from its event to the frame that shows the picture, which waits up to 16.7 ms for its turn at 60 a second.

Needs playwright (of the development dependencies) and Debian's Chromium. A canvas is read back to see that it changed.
"""

import argparse
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Playwright, sync_playwright
from timing import machine

import cospike as cs
from cospike import runs

MOST_MB, MOST_SECONDS, MOST_MS = 12, 2, 16
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

WATCH = """
    const picture = () => document.querySelectorAll("#bench canvas")[2];
    const seen = () => {
        const { width, height } = picture(), context = picture().getContext("2d", { willReadFrequently: true });
        return context.getImageData(0, 0, width, height).data.join();
    };
    const frame = () => new Promise(next => requestAnimationFrame(next));
    const painted = () => new Promise(next => requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel(); // its message comes once the frame is painted
        port1.onmessage = next;
        port2.postMessage(null);
    }));
    const changed = async before => {
        const end = performance.now() + 5000;
        while (seen() === before) {
            if (performance.now() > end) throw new Error("the picture stays as it is");
            await frame();
        }
        await painted();
    };
"""
FIRST = f"""
    globalThis.first = (async () => {{ {WATCH}
        const switches = () => [...document.querySelectorAll("[role=switch][aria-checked=true]")];
        while (!switches().length) await frame();
        const shown = performance.now(), before = seen();
        switches().at(-1).click();
        await changed(before);
        return {{ shown, done: performance.now() }};
    }})();
"""
DECODE = """async n => {
    const times = [], { run, codeOf, decode } = cospike;
    for (let i = 0; i < n; i++) {
        const code = codeOf(i % run.samples.n), start = performance.now();
        await decode([code]);
        times.push(performance.now() - start);
    }
    return times;
}"""
MOVE = f"""async n => {{ {WATCH}
    const {{ run, store }} = cospike, code = store.code.value;
    const [latent] = run.used.filter(one => code[one]).sort((a, b) => run.changeScale[b] - run.changeScale[a]);
    const slider = document.querySelector(`input[aria-label="value of latent ${{latent}}"]`);
    const [low, high] = [Number(slider.min), Number(slider.max)], times = [];
    for (let i = 0; i < n; i++) {{
        const before = seen();
        slider.value = low + (high - low) * ((i % 2 ? 0.6 : 0.1) + 0.3 * Math.random());
        const start = performance.now();
        slider.dispatchEvent(new InputEvent("input", {{ bubbles: true }}));
        await changed(before);
        times.push(performance.now() - start);
        await new Promise(next => setTimeout(next, 16.7 * Math.random()));
    }}
    return times;
}}"""


def start(playwright: Playwright) -> Browser:
    """A browser that knows nothing of an earlier load."""
    return playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)


def load(playwright: Playwright, page: Path) -> dict[str, float]:
    """Milliseconds from the navigation until a switch is there, and until a click on it is seen."""
    browser = start(playwright)
    tab = browser.new_context(offline=True).new_page()
    tab.add_init_script(FIRST)
    tab.goto(page.as_uri())
    times: dict[str, float] = tab.evaluate("globalThis.first")
    browser.close()
    return times


def use(playwright: Playwright, page: Path, *, decodes: int, moves: int) -> tuple[np.ndarray, np.ndarray]:
    """Milliseconds of single decodes, and from a slider's event to the frame that shows it."""
    browser = start(playwright)
    tab = browser.new_context(offline=True, viewport={"width": 1400, "height": 900}).new_page()
    tab.goto(page.as_uri())
    tab.locator("#bench canvas").nth(2).wait_for()
    times = np.array(tab.evaluate(DECODE, decodes)), np.array(tab.evaluate(MOVE, moves))
    browser.close()
    return times


def row(what: str, target: str, values: np.ndarray, most: float, how: str, *, quantile: float = 0.5) -> str:
    """A row of the table; ``quantile`` is what the target is held against."""
    told = float(np.quantile(values, quantile))
    name = "median" if quantile == 0.5 else f"{100 * quantile:.0f} % within"
    other = f"highest {values.max():.3g}" if quantile == 0.5 else f"median {np.median(values):.3g}"
    return f"| {what} | {target} | {name} {told:.3g} ({other}) | {told / most:.2f} | {how} |"


def measure(run: Path, arguments: Any) -> None:
    """Print the table of a run."""
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        began = perf_counter()
        page = cs.explore(run, out=Path(folder) / "explorer.html")
        took, size = perf_counter() - began, page.stat().st_size / 1e6
        n = len(runs.read_arrays(run, "previews.npz")["index"])
        how = f"{n:,} samples; `explore` took {took:.1f} s"
        print(f"| size | ≤ {MOST_MB} MB | {size:.1f} MB | {size / MOST_MB:.2f} | {how} |", flush=True)
        loads = [load(playwright, page) for _ in range(arguments.loads)]
        done, shown = (np.array([one[name] for one in loads]) / 1e3 for name in ("done", "shown"))
        how = f"{len(done)} loads, a fresh browser each; a switch was there after {np.median(shown):.2f} s"
        print(row("first interaction, s", f"≤ {MOST_SECONDS} s", done, MOST_SECONDS, how), flush=True)
        decodes, moves = use(playwright, page, decodes=arguments.decodes, moves=arguments.moves)
        target = f"≤ {MOST_MS} ms"
        print(row("one decode, ms", target, decodes, MOST_MS, f"{len(decodes):,} calls, one code each", quantile=0.99))
        how = f"{len(moves)} moves, 60 frames a second"
        print(row("slider to picture, ms", "none", moves, np.nan, how, quantile=0.99).replace("| nan |", "| |"))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--loads", type=int, default=10)
    parser.add_argument("--decodes", type=int, default=2000)
    parser.add_argument("--moves", type=int, default=300)
    arguments = parser.parse_args()
    if shutil.which("chromium") is None:
        raise SystemExit("No Chromium is installed: apt-get install chromium.")
    print("| what | target | measured | ratio | how |\n|---|---|---|---|---|")
    measure(arguments.run, arguments)
    busy = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"\n{machine()}; load over 1, 5 and 15 minutes {busy} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
