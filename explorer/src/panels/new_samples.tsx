// New samples of a class, drawn from its pattern, with some latents held.

import { useComputed } from "@preact/signals";
import { ClassOptions } from "../class_options";
import { drawCode, edited } from "../codes";
import { className, fixed } from "../format";
import { useDecoded } from "../hooks";
import { Tile } from "../picture";
import { makeRandom } from "../random";
import { SaveButtons } from "../save_buttons";
import { putOnBench, useStore } from "../store";

const AT_ONCE = 16;

export function NewSamplesPanel() {
  const store = useStore();
  const { run } = store;
  const codes = useComputed(() => {
    const random = makeRandom(store.seed.value);
    const held = Object.fromEntries(store.locked.value.map((latent) => [latent, store.code.value[latent]!]));
    if (store.drawn.value < 0) return [];
    return Array.from({ length: AT_ONCE }, () => edited(drawCode(run, store.drawn.value, random), held));
  });
  const { samples, codes: shown } = useDecoded(codes);
  if (store.drawn.value < 0) return <p>No class has samples, so there is no pattern to draw from.</p>;
  const locked = new Set(store.locked.value);
  const toggle = (latent: number): void => {
    store.locked.value = locked.has(latent)
      ? store.locked.value.filter((one) => one !== latent)
      : [...store.locked.value, latent].sort((a, b) => a - b);
  };
  return (
    <>
      <p class="controls">
        <label>
          New samples of{" "}
          <select value={store.drawn.value} onChange={(e) => (store.drawn.value = Number(e.currentTarget.value))}>
            <ClassOptions run={run} />
          </select>
        </label>
        <button type="button" onClick={() => (store.seed.value += 1)}>
          Draw again
        </button>
        <span class="note">seed {store.seed.value}</span>
        <SaveButtons parts={samples.map((values, i) => ({ values, caption: String(i + 1) }))} />
      </p>
      <div class="tiles large">
        {samples.map((sample, i) => (
          <Tile
            key={i}
            values={sample}
            alt={`new sample ${i + 1} of ${className(run, store.drawn.value)}`}
            title="put this code on the bench"
            onPick={() => putOnBench(store, shown[i]!)}
          />
        ))}
      </div>
      <p class="note">
        They are drawn as the model was trained to, and vary more than the codes of samples, which are means: on the
        bench many count as outside the data.
      </p>
      <fieldset class="locks">
        <legend>
          Hold <small>at the value on the bench; the rest is drawn</small>
        </legend>
        {run.used.map((latent) => (
          <label key={latent} class={locked.has(latent) ? "held" : ""}>
            <input type="checkbox" checked={locked.has(latent)} onChange={() => toggle(latent)} />
            {latent}
            <small>{store.code.value[latent] ? fixed(store.code.value[latent], 1) : "off"}</small>
          </label>
        ))}
      </fieldset>
    </>
  );
}
