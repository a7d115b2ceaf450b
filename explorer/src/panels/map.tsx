// Classes × latents: how likely a latent is on in a class. Rows and columns are picked by their heads.

import { useSignal } from "@preact/signals";
import { className, evidence, fixed, percent, served } from "../format";
import type { Run } from "../run";
import { inspect, pickClass, pickedClasses, useStore } from "../store";
import type { Store } from "../store";

export function MapPanel() {
  const store = useStore();
  const { run } = store;
  const pointed = useSignal<readonly [number, number]>([-1, -1]);
  if (!run.used.length) return <p>No latent is in use: the model gives every sample the same output.</p>;
  return (
    <section id="map" aria-labelledby="map-title">
      <h2 id="map-title">Which class uses which latent</h2>
      <div class="scroll">
        <table
          class="map"
          role="grid"
          aria-label={`P(active | class): ${run.class_names.length} classes by ${run.used.length} latents`}
          onKeyDown={moveInGrid}
          onPointerLeave={() => (pointed.value = [-1, -1])}
        >
          <Head store={store} onPoint={(latent) => (pointed.value = [-1, latent])} />
          <tbody>
            {run.order.map((label) => (
              <Row key={label} store={store} label={label} onPoint={(latent) => (pointed.value = [label, latent])} />
            ))}
          </tbody>
        </table>
      </div>
      <Legend />
      <Told run={run} pointed={pointed.value} picked={store.latent.value} />
    </section>
  );
}

/** A bracket over each run of latents of one kind, then the latents. */
function Head({ store, onPoint }: { store: Store; onPoint: (latent: number) => void }) {
  const { run } = store;
  const spans: { kind: string; n: number }[] = [];
  for (const latent of run.used) {
    const { kind } = run.factorOf[latent]!;
    if (spans.at(-1)?.kind === kind) spans.at(-1)!.n += 1;
    else spans.push({ kind, n: 1 });
  }
  return (
    <thead>
      <tr class="kinds">
        <td />
        {spans.map(({ kind, n }) => (
          <th key={kind} scope="colgroup" colSpan={n} title={`${kind}: ${n}`}>
            <span>{kind}</span>
          </th>
        ))}
      </tr>
      <tr>
        <th scope="col">
          <span class="hidden">class</span>
        </th>
        {run.used.map((latent) => (
          <th key={latent} scope="col" class={latent === store.latent.value ? "picked" : ""}>
            <button
              type="button"
              tabIndex={latent === store.latent.value ? 0 : -1}
              aria-pressed={latent === store.latent.value}
              aria-label={`latent ${latent}, ${run.factorOf[latent]!.kind}`}
              onClick={() => inspect(store, latent)}
              onPointerEnter={() => onPoint(latent)}
              onFocus={() => onPoint(latent)}
            >
              {latent}
            </button>
          </th>
        ))}
      </tr>
    </thead>
  );
}

function Row({ store, label, onPoint }: { store: Store; label: number; onPoint: (latent: number) => void }) {
  const { run } = store;
  const shares = run.activeByClass.row(label);
  const picked = pickedClasses(store);
  const { value: alone } = store.shown;
  const click =
    alone < 0
      ? "show this class alone"
      : alone === label
        ? "show all classes"
        : `compare with ${className(run, alone)}`;
  return (
    <tr class={picked.length && !picked.includes(label) ? "dimmed" : ""}>
      <th scope="row">
        <button
          type="button"
          tabIndex={-1}
          aria-pressed={picked.includes(label)}
          title={click}
          onClick={() => pickClass(store, label)}
        >
          {className(run, label)}
        </button>
      </th>
      {run.used.map((latent) => (
        <td
          key={latent}
          role="gridcell"
          class={latent === store.latent.value ? "picked" : ""}
          tabIndex={-1}
          aria-label={`${className(run, label)}, latent ${latent}: ${percent(shares[latent]!)}`}
          onClick={() => inspect(store, latent)}
          onPointerEnter={() => onPoint(latent)}
          onFocus={() => onPoint(latent)}
        >
          <svg viewBox="0 0 10 10" preserveAspectRatio="none" aria-hidden="true">
            <rect width="10" height="10" fill-opacity={shares[latent]! || 0} />
          </svg>
        </td>
      ))}
    </tr>
  );
}

/** Arrows move between cells and heads, Enter picks: one stop of the tab key for all of them. */
function moveInGrid(event: KeyboardEvent): void {
  const from = event.target as HTMLElement;
  const cell = from.closest<HTMLTableCellElement>("td, th");
  if (!cell) return;
  if (cell === from && (event.key === "Enter" || event.key === " ")) {
    cell.click();
    event.preventDefault();
  }
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
  if (!step) return;
  event.preventDefault();
  const row = cell.parentElement as HTMLTableRowElement;
  const next = row.closest("table")!.rows[row.rowIndex + step[0]!]?.cells[cell.cellIndex + step[1]!];
  const to = next?.querySelector("button") ?? (next?.getAttribute("role") === "gridcell" ? next : null);
  if (!to) return;
  from.tabIndex = -1;
  to.tabIndex = 0;
  to.focus();
}

function Legend() {
  return (
    <p class="legend">
      <span>P(active | class)</span> <span>0</span>
      <svg viewBox="0 0 100 10" width="100" height="10" aria-hidden="true">
        {Array.from({ length: 10 }, (_, i) => (
          <rect key={i} x={10 * i} width="10" height="10" fill-opacity={(i + 0.5) / 10} />
        ))}
      </svg>
      <span>1</span>
    </p>
  );
}

/** What is known of the latent that is pointed at, else of the one that is picked. */
function Told({
  run,
  pointed: [label, pointedAt],
  picked,
}: {
  run: Run;
  pointed: readonly [number, number];
  picked: number;
}) {
  const latent = pointedAt >= 0 ? pointedAt : picked;
  const factor = run.factorOf[latent];
  if (!factor) return null;
  const at = label * run.n_latents + latent;
  return (
    <p class="told" aria-live="polite">
      <strong>Latent {latent}</strong>, {factor.kind}, {served(run, factor)}
      {label >= 0 &&
        `; in ${className(run, label)} on with probability ${fixed(run.activeByClass.data[at])} ` +
          `(95 %: ${fixed(run.activeLow.data[at])} … ${fixed(run.activeHigh.data[at])})`}
      {factor.lift !== null && factor.classes.length > 0 && `; lift ${fixed(factor.lift, 1)}`}
      {evidence(run, factor) && `; ${evidence(run, factor)}`}.
      {factor.undecided.length > 0 && ` The samples do not decide whether ${factor.undecided.join(", ")} uses it.`}
    </p>
  );
}
