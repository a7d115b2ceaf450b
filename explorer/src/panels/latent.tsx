// One latent: what it changes, played over several samples, and the samples that use it most, or not at all.

import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { byStrength, codeOf, edited, offThoughUsed, ofClass } from "../codes";
import { className, doubt, evidence, fixed, lift, percent, plural, served } from "../format";
import { useDecoded } from "../hooks";
import { Change, Tile } from "../picture";
import { judge } from "../plausibility";
import type { Run } from "../run";
import { SaveButtons } from "../save_buttons";
import { pick, useStore } from "../store";

const SIDE_BY_SIDE = 5;
const TOP = 12;

export function LatentPanel() {
  const store = useStore();
  const { run } = store;
  const latent = store.latent.value;
  const factor = run.factorOf[latent];
  if (!factor) return <p>No latent is in use, so there is nothing to pick.</p>;
  const top = byStrength(run, latent);
  const off = offThoughUsed(run, latent);
  return (
    <>
      <header class="latent">
        <Change run={run} latent={latent} />
        <div>
          <h3>
            Latent {latent} <small>{factor.kind}</small>
          </h3>
          <p>
            On in {percent(factor.usage)} of the samples, {served(run, factor)}
            {lift(factor) && (
              <>
                ; {lift(factor)} times as likely there as in general (95 %: {fixed(factor.lift_low, 1)} …{" "}
                {fixed(factor.lift_high, 1)})
              </>
            )}
            . {sentence(evidence(run, factor))}
            {doubt(factor)}
          </p>
          <p class="note">
            The picture is what it changes on average, {factor.kind === "always-on" ? "high less low" : "on less off"}.
          </p>
          <label>
            Latent{" "}
            <select value={latent} onChange={(event) => (store.latent.value = Number(event.currentTarget.value))}>
              {run.factors.map((one) => (
                <option key={one.latent} value={one.latent}>
                  {one.latent} ({one.kind})
                </option>
              ))}
            </select>
          </label>
        </div>
      </header>
      {factor.kind === "dead" ? (
        <p>It is not in use: whatever its value, samples stay as they are.</p>
      ) : (
        <Traversal key={latent} />
      )}
      <Samples title="Where it is strongest" latent={latent} samples={top} of="in which it is on" />
      {factor.classes.length > 0 && (
        <Samples title="Off, though their class uses it" samples={off} of="of its classes" />
      )}
    </>
  );
}

const sentence = (text: string): string => (text ? `${text[0]!.toUpperCase()}${text.slice(1)}.` : "");

/** The latent runs through its range in several samples at once. */
function Traversal() {
  const store = useStore();
  const { run } = store;
  const latent = store.latent.value;
  const factor = run.factorOf[latent]!;
  const [low, high] = [factor.low, Math.max(factor.high, factor.low + 1e-3)];
  const value = useSignal(high);
  const playing = useSignal(false);
  const samples = useComputed(() => typical(run, latent));
  const codes = useComputed(() =>
    samples.value.map((sample) => edited(codeOf(run, sample), { [latent]: value.value })),
  );
  const { samples: decoded, codes: shown } = useDecoded(codes);
  useSignalEffect(() => {
    if (!playing.value) return;
    const began = performance.now() - phase(value.peek(), low, high);
    let frame = requestAnimationFrame(function advance(now) {
      const half = ((now - began) / 2000) % 2;
      value.value = low + (high - low) * (half < 1 ? half : 2 - half);
      frame = requestAnimationFrame(advance);
    });
    return () => cancelAnimationFrame(frame);
  });
  return (
    <section class="traversal" aria-label={`Traversal of latent ${latent}`}>
      <p class="controls">
        <button type="button" aria-pressed={playing.value} onClick={() => (playing.value = !playing.value)}>
          {playing.value ? "Pause" : "Play"}
        </button>
        <input
          type="range"
          aria-label={`value of latent ${latent} in all of them`}
          min={low}
          max={high}
          step="any"
          value={value.value}
          onInput={(event) => {
            playing.value = false;
            value.value = event.currentTarget.valueAsNumber;
          }}
        />
        <output>{value.value === 0 ? "off" : fixed(value.value)}</output>
        <button
          type="button"
          onClick={() => {
            playing.value = false;
            value.value = 0;
          }}
        >
          Off
        </button>
        <SaveButtons
          parts={samples.value.map((sample, i) => ({
            values: decoded[i],
            caption: `${className(run, run.samples.labels[sample]!)}, latent ${latent} at ${fixed(value.value)}`,
          }))}
        />
      </p>
      <div class="tiles large">
        {samples.value.map((sample, i) => (
          <Tile
            key={sample}
            values={decoded[i]}
            alt={`sample ${run.samples.index[sample]} with latent ${latent} at ${fixed(value.value)}`}
            caption={className(run, run.samples.labels[sample]!)}
            outside={shown[i] !== undefined && !judge(run, shown[i]!).inside}
            onPick={() => pick(store, sample)}
          />
        ))}
      </div>
    </section>
  );
}

const phase = (value: number, low: number, high: number): number =>
  2000 * Math.min(1, Math.max(0, (value - low) / (high - low)));

/** Samples in which the latent is on: of several classes that use it, or more of a few. */
function typical(run: Run, latent: number): number[] {
  const strong = byStrength(run, latent);
  const middle = strong.slice(Math.floor(strong.length / 4));
  const owners = run.factorOf[latent]!.classes.slice(0, SIDE_BY_SIDE);
  if (!owners.length) return middle.slice(0, SIDE_BY_SIDE);
  const each = Math.ceil(SIDE_BY_SIDE / owners.length);
  const found = owners.flatMap((label) =>
    middle.filter((sample) => run.samples.labels[sample] === label).slice(0, each),
  );
  return (found.length ? found : ofClass(run, owners[0]!)).slice(0, SIDE_BY_SIDE);
}

interface SamplesProps {
  title: string;
  samples: number[];
  of: string;
  /** Whose value is told. */
  latent?: number;
}

function Samples({ title, latent, samples, of }: SamplesProps) {
  const store = useStore();
  const { run } = store;
  return (
    <>
      <h4>
        {title} <small>{`${plural(samples.length, "sample")} ${of}`}</small>
      </h4>
      <div class="tiles">
        {samples.slice(0, TOP).map((sample) => (
          <Tile
            key={sample}
            values={run.samples.x.row(sample)}
            alt={`sample ${run.samples.index[sample]}, ${className(run, run.samples.labels[sample]!)}`}
            caption={
              (latent === undefined ? "" : `${fixed(run.samples.slabLoc.row(sample)[latent], 1)} `) +
              className(run, run.samples.labels[sample]!)
            }
            current={sample === store.sample.value}
            onPick={() => pick(store, sample)}
          />
        ))}
      </div>
    </>
  );
}
