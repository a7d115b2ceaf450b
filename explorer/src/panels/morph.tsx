// From the code on the bench to another held-out sample.

import { useComputed } from "@preact/signals";
import { codeOf, ofClass } from "../codes";
import { className } from "../format";
import { Tile } from "../picture";
import { useStore } from "../store";
import { Steps } from "./steps";

const PER_CLASS = 2;
const MOST = 40;

export function MorphPanel() {
  const store = useStore();
  const { run } = store;
  const ends = useComputed(() => [store.code.value, codeOf(run, store.target.value)] as const);
  const label = run.samples.labels[store.target.value]!;
  const offered = useComputed(() => {
    const some = store.shown.value < 0 ? run.order.flatMap((one) => ofClass(run, one).slice(0, PER_CLASS)) : [];
    return (some.length ? some : ofClass(run, store.shown.value)).slice(0, MOST);
  });
  return (
    <>
      <p class="controls">
        <span>From the code on the bench to</span>
        <Tile
          values={run.samples.x.row(store.target.value)}
          alt={`sample ${run.samples.index[store.target.value]}, ${className(run, label)}`}
          caption={className(run, label)}
        />
        <button type="button" onClick={() => (store.target.value = store.sample.value)}>
          Make the sample on the bench the goal
        </button>
      </p>
      <details>
        <summary>Choose another</summary>
        <div class="tiles">
          {offered.value.map((sample) => (
            <Tile
              key={sample}
              values={run.samples.x.row(sample)}
              alt={`morph to sample ${run.samples.index[sample]}, ${className(run, run.samples.labels[sample]!)}`}
              current={sample === store.target.value}
              caption={className(run, run.samples.labels[sample]!)}
              onPick={() => (store.target.value = sample)}
            />
          ))}
        </div>
      </details>
      <p class="note">
        Each step changes the latent that comes nearest to the goal: +5 switches latent 5 on, −5 off, 5 moves it; below,
        the share of the way.
      </p>
      <Steps ends={ends} names={["bench", "goal"]} />
    </>
  );
}
