// Classes × latents: how likely a latent is on in a class. Rows and columns are picked by their heads.

import { useSignal } from "@preact/signals";
import type { Signal } from "@preact/signals";
import { ALL } from "../codes";
import { className, doubt, evidence, fixed, lift, percent, served } from "../format";
import type { Run } from "../run";
import { inspect, pickClass, pickedClasses, useStore } from "../store";
import type { Store } from "../store";

/** A cell of the grid: a row of classes, or 0 for the heads; a column of latents, or 0 for the heads. */
type Place = readonly [number, number];

interface PartProps {
  store: Store;
  /** What the pointer is at: a class and a latent. */
  pointed: Signal<readonly [number, number]>;
  /** The one cell that the tab key stops at. */
  stop: Signal<Place>;
}

export function MapPanel() {
  const store = useStore();
  const { run } = store;
  const nowhere = [ALL, -1] as const;
  const pointed = useSignal<readonly [number, number]>(nowhere);
  const stop = useSignal<Place>([0, 1]);
  if (!run.used.length) {
    return (
      <section id="map" aria-labelledby="map-title">
        <h2 id="map-title">Which class uses which latent</h2>
        <p>No latent is in use: the model gives every sample the same output.</p>
      </section>
    );
  }
  const labels = run.order.length ? run.order : [ALL];
  const parts = { store, pointed, stop };
  return (
    <section id="map" aria-labelledby="map-title">
      <h2 id="map-title">{run.order.length ? "Which class uses which latent" : "How often each latent is on"}</h2>
      <div class="scroll">
        <table
          class="map"
          role="grid"
          aria-label={`P(active | class): ${labels.length} classes by ${run.used.length} latents`}
          onKeyDown={(event) => moveInGrid(event, stop)}
          onPointerLeave={() => (pointed.value = nowhere)}
        >
          <Head {...parts} />
          <tbody>
            {labels.map((label, i) => (
              <Row key={label} {...parts} label={label} row={i + 1} />
            ))}
          </tbody>
        </table>
      </div>
      <Legend />
      <Told run={run} pointed={pointed.value} picked={store.latent.value} />
    </section>
  );
}

/** What makes a cell, or the button in it, one of the grid's. */
function inGrid({ stop, pointed }: PartProps, row: number, column: number, label: number, latent: number) {
  const point = (): void => {
    pointed.value = [label, latent];
  };
  return {
    tabIndex: stop.value[0] === row && stop.value[1] === column ? 0 : -1,
    onPointerEnter: point,
    onFocus: () => {
      stop.value = [row, column];
      point();
    },
  };
}

/** A bracket over each run of latents of one kind, then the latents. */
function Head(parts: PartProps) {
  const { store } = parts;
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
        {run.used.map((latent, i) => (
          <th key={latent} scope="col" class={latent === store.latent.value ? "picked" : ""}>
            <button
              type="button"
              aria-pressed={latent === store.latent.value}
              aria-label={`latent ${latent}, ${run.factorOf[latent]!.kind}`}
              onClick={() => inspect(store, latent)}
              {...inGrid(parts, 0, i + 1, ALL, latent)}
            >
              {latent}
            </button>
          </th>
        ))}
      </tr>
    </thead>
  );
}

function Row({ label, row, ...parts }: PartProps & { label: number; row: number }) {
  const { store } = parts;
  const { run } = store;
  const name = label === ALL ? "all samples" : className(run, label);
  const share = (latent: number): number =>
    label === ALL ? run.factorOf[latent]!.usage : run.activeByClass.row(label)[latent]!;
  const picked = pickedClasses(store);
  const { value: alone } = store.shown;
  const click =
    alone < 0
      ? "show this class alone"
      : alone === label
        ? "show all classes"
        : `compare with ${className(run, alone)}`;
  return (
    <tr class={label !== ALL && picked.length && !picked.includes(label) ? "dimmed" : ""}>
      <th scope="row">
        {label === ALL ? (
          name
        ) : (
          <button
            type="button"
            aria-pressed={picked.includes(label)}
            title={`${name}: ${click}`}
            onClick={() => pickClass(store, label)}
            {...inGrid(parts, row, 0, label, -1)}
          >
            {name}
          </button>
        )}
      </th>
      {run.used.map((latent, i) => (
        <td
          key={latent}
          role="gridcell"
          class={latent === store.latent.value ? "picked" : ""}
          aria-label={`${name}, latent ${latent}: ${percent(share(latent))}`}
          onClick={() => inspect(store, latent)}
          {...inGrid(parts, row, i + 1, label, latent)}
        >
          <svg viewBox="0 0 10 10" preserveAspectRatio="none" aria-hidden="true">
            <rect width="10" height="10" fill-opacity={share(latent) || 0} />
          </svg>
        </td>
      ))}
    </tr>
  );
}

/** Arrows, Home and End move between cells and heads, Enter picks: one stop of the tab key for all of them. */
function moveInGrid(event: KeyboardEvent, stop: Signal<Place>): void {
  const from = event.target as HTMLElement;
  const table = from.closest("table")!;
  if (from.getAttribute("role") === "gridcell" && (event.key === "Enter" || event.key === " ")) {
    from.click();
    event.preventDefault();
  }
  const [row, column] = stop.value;
  const last = table.rows[1]!.cells.length - 1;
  const to = {
    ArrowUp: [row - 1, column],
    ArrowDown: [row + 1, column],
    ArrowLeft: [row, column - 1],
    ArrowRight: [row, column + 1],
    Home: [row, 1],
    End: [row, last],
  }[event.key];
  if (!to) return;
  event.preventDefault();
  const cell = table.rows[to[0]! + 1]?.cells[to[1]!]; // the first row has the kinds
  const next = cell?.querySelector("button") ?? (cell?.getAttribute("role") === "gridcell" ? cell : null);
  if (to[0]! >= 0) next?.focus();
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

interface ToldProps {
  run: Run;
  pointed: readonly [number, number];
  picked: number;
}

/** What is known of the latent that is pointed at, else of the one that is picked. */
function Told({ run, pointed: [label, pointedAt], picked }: ToldProps) {
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
      {lift(factor) && `; lift ${lift(factor)}`}; {evidence(run, factor)}.{doubt(factor)}
    </p>
  );
}
