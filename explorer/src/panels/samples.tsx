// Held-out samples to pick from: of all classes or one, as they come or by how strongly they use a latent.

import { useComputed, useSignal } from "@preact/signals";
import { byStrength, ofClass } from "../codes";
import { className, fixed, plural } from "../format";
import { Tile } from "../picture";
import { SORTS, pick, useStore } from "../store";
import type { Sort } from "../store";

const AT_ONCE = 48;

export function SamplesPanel() {
  const store = useStore();
  const { run } = store;
  const pages = useSignal(1);
  const found = useComputed(() => {
    const { value: label } = store.shown;
    if (store.sort.value === "kept") return mixed(ofClass(run, label), (sample) => run.samples.labels[sample]!);
    const strong = byStrength(run, store.latent.value);
    return label < 0 ? strong : strong.filter((sample) => run.samples.labels[sample] === label);
  });
  const shown = found.value.slice(0, pages.value * AT_ONCE);
  return (
    <>
      <p class="controls">
        <label>
          Class{" "}
          <select value={store.shown.value} onChange={(e) => (store.shown.value = Number(e.currentTarget.value))}>
            <option value={-1}>all</option>
            {run.order.map((label) => (
              <option key={label} value={label}>
                {className(run, label)}
              </option>
            ))}
          </select>
        </label>
        <label>
          Order{" "}
          <select value={store.sort.value} onChange={(e) => (store.sort.value = e.currentTarget.value as Sort)}>
            <option value={SORTS[0]}>as they come</option>
            <option value={SORTS[1]}>strongest use of latent {store.latent.value}</option>
          </select>
        </label>
        <span class="note" role="status">
          {plural(found.value.length, "sample")}
        </span>
      </p>
      <div class="tiles">
        {shown.map((sample) => (
          <Tile
            key={sample}
            values={run.samples.x.row(sample)}
            alt={`sample ${run.samples.index[sample]}, ${className(run, run.samples.labels[sample]!)}`}
            current={sample === store.sample.value}
            caption={
              store.sort.value === "use"
                ? fixed(run.samples.slabLoc.row(sample)[store.latent.value], 1)
                : className(run, run.samples.labels[sample]!)
            }
            onPick={() => pick(store, sample)}
          />
        ))}
      </div>
      {shown.length < found.value.length && (
        <button type="button" onClick={() => (pages.value += 1)}>
          Show more
        </button>
      )}
    </>
  );
}

/** Samples of all classes in turn: the run keeps them class by class. */
function mixed(samples: number[], labelOf: (sample: number) => number): number[] {
  const seen = new Map<number, number>();
  const turn = new Map<number, number>();
  for (const sample of samples) {
    const label = labelOf(sample);
    seen.set(label, (seen.get(label) ?? 0) + 1);
    turn.set(sample, seen.get(label)!);
  }
  return [...samples].sort((a, b) => turn.get(a)! - turn.get(b)! || labelOf(a) - labelOf(b));
}
