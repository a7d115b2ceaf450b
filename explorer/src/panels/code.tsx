// The code on the bench: a switch a spike, a slider a slab value.

import { useComputed, useSignal } from "@preact/signals";
import { isOn, rangeOf, uses, valueWhenOn } from "../codes";
import { fixed, percent } from "../format";
import { Change } from "../picture";
import { inspect, setLatent, useStore } from "../store";

export function CodePanel() {
  const store = useStore();
  const { run } = store;
  const all = useSignal(false);
  const latents = useComputed(() => {
    if (all.value) return run.used;
    const { value: label } = store.label;
    return run.used.filter(
      (latent) =>
        store.start.value[latent] !== 0 || latent in store.edits.value || (label >= 0 && uses(run, label, latent)),
    );
  });
  return (
    <section id="code" aria-labelledby="code-title">
      <h2 id="code-title">Its code</h2>
      <p class="controls">
        <label>
          <input type="checkbox" checked={all.value} onChange={() => (all.value = !all.value)} /> all {run.used.length}{" "}
          latents in use
        </label>
        <label>
          <input type="checkbox" checked={store.wide.value} onChange={() => (store.wide.value = !store.wide.value)} />{" "}
          beyond what the class shows
        </label>
      </p>
      {!latents.value.length && <p class="note">No latent is on in it, and its class uses none.</p>}
      <ul class="code">
        {latents.value.map((latent) => (
          <Latent key={latent} latent={latent} />
        ))}
      </ul>
    </section>
  );
}

function Latent({ latent }: { latent: number }) {
  const store = useStore();
  const { run } = store;
  const value = store.code.value[latent]!;
  const [low, high] = rangeOf(run, latent, store.label.value, store.wide.value);
  const on = value !== 0;
  const factor = run.factorOf[latent]!;
  const was = isOn(run, store.sample.value, latent);
  const start = store.start.value[latent] || low; // its own value stays in reach
  const shown = on ? value : valueWhenOn(run, store.sample.value, latent, [low, high]);
  const put = (next: number): void => setLatent(store, latent, next);
  const state = latent in store.edits.value ? "changed" : was ? "" : "was off";
  const share = store.label.value < 0 ? factor.usage : run.activeByClass.row(store.label.value)[latent]!;
  return (
    <li class={`${on ? "on" : "off"} ${state && "marked"} ${latent === store.latent.value ? "picked" : ""}`}>
      <button
        type="button"
        class="spike"
        role="switch"
        aria-checked={on}
        aria-label={`latent ${latent} on`}
        title={`on in ${percent(share)} of ${store.label.value < 0 ? "all samples" : "its class"}`}
        onClick={() => put(on ? 0 : valueWhenOn(run, store.sample.value, latent, [low, high]))}
      />
      <button
        type="button"
        class="name"
        aria-label={`inspect latent ${latent}, ${factor.kind}`}
        onClick={() => inspect(store, latent)}
      >
        <Change run={run} latent={latent} />
        <span>
          {latent} <small>{factor.kind}</small>
        </span>
      </button>
      <input
        type="range"
        aria-label={`value of latent ${latent}`}
        aria-valuetext={on ? fixed(value) : "off"}
        min={Math.min(low, start, shown)}
        max={Math.max(high, start, shown)}
        step="any"
        value={shown}
        onInput={(event) => put(event.currentTarget.valueAsNumber || 1e-6)}
      />
      <output>{on ? fixed(value) : "off"}</output>
      <button
        type="button"
        class="undo"
        aria-label={`undo latent ${latent}`}
        disabled={!(latent in store.edits.value)}
        onClick={(event) => {
          put(store.start.value[latent]!);
          event.currentTarget.parentElement!.querySelector("input")!.focus(); // this button goes
        }}
      >
        ↺
      </button>
    </li>
  );
}
