// Two classes: what they share, what each has of its own, and how one turns into the other.

import { useComputed } from "@preact/signals";
import { ClassOptions } from "../class_options";
import { typicalCode, uses } from "../codes";
import { className, percent, plural } from "../format";
import { Change } from "../picture";
import { useStore } from "../store";
import type { Store } from "../store";
import { Steps } from "./steps";

export function ClassesPanel() {
  const store = useStore();
  const { run } = store;
  const ends = useComputed(() => {
    const [a, b] = store.pair.value;
    return [typicalCode(run, a), typicalCode(run, b)] as const;
  });
  if (run.class_names.length < 2) return <p>There are fewer than two classes, so there is nothing to compare.</p>;
  const [a, b] = store.pair.value;
  const groups = [
    { title: "Both use", latents: run.used.filter((i) => uses(run, a, i) && uses(run, b, i)) },
    { title: `${className(run, a)} alone`, latents: run.used.filter((i) => uses(run, a, i) && !uses(run, b, i)) },
    { title: `${className(run, b)} alone`, latents: run.used.filter((i) => !uses(run, a, i) && uses(run, b, i)) },
  ];
  const names: [string, string] = [className(run, a), className(run, b)];
  return (
    <>
      <p class="controls">
        {([0, 1] as const).map((side) => (
          <label key={side}>
            {side ? "with" : "Compare"}{" "}
            <select value={store.pair.value[side]} onChange={(e) => choose(store, side, Number(e.currentTarget.value))}>
              <ClassOptions run={run} />
            </select>
          </label>
        ))}
        <button type="button" onClick={() => (store.pair.value = [b, a])}>
          Swap
        </button>
      </p>
      {groups.map(({ title, latents }, i) => (
        <div class="group" key={i}>
          <h3>
            {title} <small>{plural(latents.length, "latent")}</small>
          </h3>
          <div class="tiles small">
            {latents.map((latent) => (
              <button
                key={latent}
                type="button"
                class="tile"
                aria-pressed={latent === store.latent.value}
                title={`${names[0]} ${share(a, latent)}, ${names[1]} ${share(b, latent)}`}
                onClick={() => (store.latent.value = latent)}
              >
                <Change run={run} latent={latent} />
                <span class="caption">
                  {latent}{" "}
                  <small>
                    {share(a, latent)} / {share(b, latent)}
                  </small>
                </span>
              </button>
            ))}
          </div>
        </div>
      ))}
      <h3>
        How a typical {names[0]} turns into a typical {names[1]}
      </h3>
      <p class="note">
        Latent by latent, in the order that explains most: +5 switches latent 5 on, −5 off, 5 moves it; below, the share
        of the way.
      </p>
      <Steps ends={ends} names={names} />
    </>
  );

  function share(label: number, latent: number): string {
    return percent(run.activeByClass.row(label)[latent]!);
  }
}

/** The class that the other side has changes sides. */
function choose(store: Store, side: 0 | 1, label: number): void {
  const [a, b] = store.pair.value;
  if ([b, a][side] === label) store.pair.value = [b, a];
  else store.pair.value = side === 0 ? [label, b] : [a, label];
}
