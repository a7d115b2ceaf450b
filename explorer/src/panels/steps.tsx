// The way from one code to another, a picture a step, and a slider that goes along it.

import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import type { ReadonlySignal } from "@preact/signals";
import type { Code } from "../decoder";
import { percent } from "../format";
import { useDecoded, useMorph } from "../hooks";
import type { Ends } from "../hooks";
import { Tile } from "../picture";
import { judge } from "../plausibility";
import { SaveButtons } from "../save_buttons";
import { putOnBench, useStore } from "../store";

export function Steps({ ends, names }: { ends: ReadonlySignal<Ends>; names: [string, string] }) {
  const store = useStore();
  const { run } = store;
  const way = useMorph(ends);
  const place = useSignal(0);
  const between = useComputed<readonly Code[]>(() => {
    const codes = (way.value?.steps ?? []).map((step) => step.code);
    return [along(codes, Math.min(place.value, codes.length - 1))];
  });
  useSignalEffect(() => {
    if (ends.value) place.value = 0; // another way begins at its start
  });
  if (!way.value) return <p role="status">Looking for the way …</p>;
  const { steps } = way.value;
  if (steps.length === 1) return <p>The two codes are the same.</p>;
  const caption = (i: number): string => {
    const { latent } = steps[i]!;
    return i === 0 ? names[0] : latent < 0 ? "the rest" : stepName(way.value!.ends, latent);
  };
  return (
    <>
      <div class="walk">
        <Walker codes={between} alt={`between ${names[0]} and ${names[1]}`} />
        <label>
          {names[0]}{" "}
          <input
            type="range"
            aria-label={`from ${names[0]} to ${names[1]}`}
            aria-valuetext={`step ${place.value.toFixed(1)} of ${steps.length - 1}`}
            min={0}
            max={steps.length - 1}
            step={0.05}
            value={place.value}
            onInput={(event) => (place.value = event.currentTarget.valueAsNumber)}
          />{" "}
          {names[1]}
        </label>
      </div>
      <div class="tiles steps">
        {steps.map((step, i) => (
          <Tile
            key={i}
            values={step.sample}
            alt={`step ${i}: ${i ? `latent ${step.latent}, ${percent(step.explained)} of the way` : names[0]}`}
            title="put this code on the bench"
            outside={!judge(run, step.code).inside}
            onPick={() => putOnBench(store, step.code)}
            caption={
              <>
                {caption(i)} {i > 0 && <small>{percent(step.explained)}</small>}
              </>
            }
          />
        ))}
      </div>
      <p class="controls">
        <SaveButtons parts={steps.map(({ sample }, i) => ({ values: sample, caption: caption(i) }))} />
      </p>
    </>
  );
}

function Walker({ codes, alt }: { codes: ReadonlySignal<readonly Code[]>; alt: string }) {
  const { run } = useStore();
  const { samples, codes: shown } = useDecoded(codes);
  return <Tile values={samples[0]} alt={alt} outside={shown[0] !== undefined && !judge(run, shown[0]).inside} />;
}

/** "+5" switches a latent on, "−5" off, "5" only moves it. */
function stepName([from, to]: Ends, latent: number): string {
  return `${from[latent] === 0 ? "+" : to[latent] === 0 ? "−" : ""}${latent}`;
}

/** The code at a place between steps: what changes in a step changes gradually. */
function along(codes: readonly Code[], place: number): Code {
  const from = codes[Math.floor(place)] ?? codes[0] ?? new Float32Array();
  const to = codes[Math.ceil(place)] ?? from;
  const share = place - Math.floor(place);
  return from.map((value, latent) => value + share * (to[latent]! - value));
}
