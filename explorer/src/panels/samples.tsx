// Held-out samples to pick from: of all classes or one, as they come or by how strongly they use a latent.

import { useSignal, useSignalEffect } from "@preact/signals";
import { ClassOptions } from "../class_options";
import { ALL, NONE } from "../codes";
import { className, fixed, plural } from "../format";
import { Tile } from "../picture";
import { SORTS, pick, useStore } from "../store";
import type { Sort } from "../store";

const AT_ONCE = 48;

export function SamplesPanel() {
  const store = useStore();
  const { run } = store;
  const pages = useSignal(1);
  useSignalEffect(() => {
    if (store.listed.value) pages.value = 1; // another list begins at its start
  });
  const found = store.listed.value;
  const shown = found.slice(0, pages.value * AT_ONCE);
  const showMore = (event: MouseEvent): void => {
    const tiles = (event.currentTarget as HTMLElement).parentElement!.querySelector(".tiles")!;
    pages.value += 1;
    requestAnimationFrame(() => (tiles.children[shown.length] as HTMLElement | undefined)?.focus());
  };
  return (
    <>
      <p class="controls">
        <label>
          Class{" "}
          <select value={store.shown.value} onChange={(e) => (store.shown.value = Number(e.currentTarget.value))}>
            <option value={ALL}>all</option>
            <ClassOptions run={run} />
            {run.samples.labels.includes(-1) && <option value={NONE}>no class</option>}
          </select>
        </label>
        <label>
          Order{" "}
          <select value={store.sort.value} onChange={(e) => (store.sort.value = e.currentTarget.value as Sort)}>
            <option value={SORTS[0]}>as they come</option>
            {store.latent.value >= 0 && <option value={SORTS[1]}>strongest use of latent {store.latent.value}</option>}
          </select>
        </label>
        <span class="note" role="status">
          {plural(found.length, "sample")}
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
      {shown.length < found.length && (
        <button type="button" onClick={showMore}>
          Show more
        </button>
      )}
    </>
  );
}
