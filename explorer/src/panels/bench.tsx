// The bench: a held-out sample, what the model makes of it, and what it makes of the code that the reader sets.

import { useComputed } from "@preact/signals";
import { Bars, barsOf } from "../bars";
import { className, fixed, plural } from "../format";
import { useDecoded } from "../hooks";
import { Tile } from "../picture";
import { judge } from "../plausibility";
import { SaveBars, SaveButtons } from "../save_buttons";
import { step, useStore } from "../store";

export function Bench() {
  const store = useStore();
  const { run } = store;
  const codes = useComputed(() => [store.start.value, store.code.value]);
  const { samples } = useDecoded(codes);
  const verdict = useComputed(() => judge(run, store.code.value));
  const n = Object.keys(store.edits.value).length;
  const sample = store.sample.value;
  const x = run.samples.x.row(sample);
  const [before, after] = samples;
  const change = before && after ? after.map((value, i) => value - before[i]!) : undefined;
  const full = run.columns.length ? 1 : run.range[1] - run.range[0];
  const title = `sample ${run.samples.index[sample]}, ${className(run, store.label.value)}`;
  const parts = [
    { caption: "sample", values: x },
    { caption: "model", values: before },
    { caption: "yours", values: after },
    { caption: "change", values: change, full },
  ];
  return (
    <section id="bench" aria-labelledby="bench-title">
      <h2 id="bench-title">
        {className(run, store.label.value)} <small>sample {run.samples.index[sample]}</small>
      </h2>
      {!run.columns.length && (
        <div class="parts">
          {parts.map(({ caption, ...part }) => (
            <Tile
              key={caption}
              {...part}
              caption={caption}
              alt={`${caption}: ${title}`}
              outside={caption === "yours" && !verdict.value.inside}
            />
          ))}
        </div>
      )}
      <p class="verdict" role="status">
        {n > 0 && `${plural(n, "latent")} set by hand. `}
        {n === 0 && run.used.length > 0 && "Move a slider or a switch below to change it. "}
        {verdict.value.inside ? (
          <span class="inside">Among the data.</span>
        ) : (
          <span class="off">
            Outside the data: latent {verdict.value.latent} at{" "}
            {store.code.value[verdict.value.latent] ? fixed(store.code.value[verdict.value.latent], 1) : "off"} is rarer
            than what 99 % of samples show.
          </span>
        )}
      </p>
      <p class="controls">
        <button type="button" onClick={() => step(store, -1)} aria-label="previous sample">
          ←
        </button>
        <button type="button" onClick={() => step(store, 1)} aria-label="next sample">
          →
        </button>
        <button type="button" aria-disabled={!n} onClick={() => (store.edits.value = {})}>
          Undo all
        </button>
        {run.columns.length > 0 ? (
          before && after && <SaveBars bars={barsOf(run, after, before, x).bars} />
        ) : (
          <SaveButtons parts={parts} />
        )}
      </p>
      {run.columns.length > 0 && before && after && (
        <Bars
          run={run}
          values={after}
          before={before}
          given={x}
          outside={!verdict.value.inside}
          title={`Columns of ${title}, and their change`}
        />
      )}
    </section>
  );
}
