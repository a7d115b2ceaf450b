// Codes: an entry a latent, exactly 0 where it is off.

import type { Code } from "./decoder";
import type { Random } from "./random";
import type { Run } from "./run";

const ON = 128; // of active_probs in 0 … 255: above one half

/** In place of a class: all of them, or the samples that have none. */
export const ALL = -1;
export const NONE = -2;

/** Latents that are set by hand; 0 is off. */
export type Edits = Readonly<Record<number, number>>;

export function isOn(run: Run, sample: number, latent: number): boolean {
  return run.samples.activeProbs.data[sample * run.n_latents + latent]! >= ON;
}

export function codeOf(run: Run, sample: number): Code {
  const loc = run.samples.slabLoc.row(sample);
  return Float32Array.from(loc, (value, latent) => (isOn(run, sample, latent) ? value : 0));
}

export function edited(code: Code, edits: Edits): Code {
  const out = code.slice();
  for (const [latent, value] of Object.entries(edits)) out[Number(latent)] = value;
  return out;
}

/** What makes one code into the other. */
export function editsBetween(from: Code, to: Code): Edits {
  const edits: Record<number, number> = {};
  to.forEach((value, latent) => {
    if (value !== from[latent]) edits[latent] = value;
  });
  return edits;
}

export function differing(a: Code, b: Code): number[] {
  return Object.keys(editsBetween(a, b)).map(Number);
}

/** Whether a class uses a latent, as the factor table has it. */
export function uses(run: Run, label: number, latent: number): boolean {
  return run.factorOf[latent]!.classes.includes(label);
}

/** The code that is typical of a class: each latent that it uses at its mean there. */
export function typicalCode(run: Run, label: number): Code {
  const loc = run.pattern ? run.pattern.loc.row(label) : meanValues(run, label);
  return loc.map((value, latent) => (uses(run, label, latent) ? value : 0));
}

function meanValues(run: Run, label: number): Float32Array {
  const sums = new Float32Array(run.n_latents);
  const counts = new Float32Array(run.n_latents);
  for (const sample of ofClass(run, label)) {
    codeOf(run, sample).forEach((value, latent) => {
      if (value === 0) return;
      sums[latent]! += value;
      counts[latent]! += 1;
    });
  }
  return sums.map((sum, latent) => sum / Math.max(counts[latent]!, 1));
}

/** A new code of a class: each spike and each slab drawn from its pattern. */
export function drawCode(run: Run, label: number, random: Random): Code {
  if (!run.pattern) return typicalCode(run, label);
  const probs = run.pattern.probs.row(label);
  const loc = run.pattern.loc.row(label);
  const scale = run.pattern.scale.row(label);
  return Float32Array.from(probs, (prob, latent) => {
    const value = loc[latent]! + scale[latent]! * random.normal(); // drawn in any case: the others stay as they are
    return random.uniform() < prob ? value : 0;
  });
}

/** Held-out samples of a class, of `ALL`, or of `NONE`. */
export function ofClass(run: Run, label: number): number[] {
  const all = Array.from(run.samples.labels.keys());
  if (label === ALL) return all;
  return all.filter((sample) => run.samples.labels[sample] === (label === NONE ? -1 : label));
}

/** The range of a latent in the samples of a class, of all where the class is not known, or further. */
export function rangeOf(run: Run, latent: number, label: number, wide: boolean): [number, number] {
  if (wide) return [run.latentLow[latent]!, run.latentHigh[latent]!];
  if (label >= 0) return [run.classLow.row(label)[latent]!, run.classHigh.row(label)[latent]!];
  const { low, high } = run.factorOf[latent]!;
  return low < high ? [low, high] : [run.latentLow[latent]!, run.latentHigh[latent]!];
}

/** The value that a latent takes once it is switched on: the sample's own slab, held to the range. */
export function valueWhenOn(run: Run, sample: number, latent: number, [low, high]: [number, number]): number {
  const own = sample >= 0 ? run.samples.slabLoc.row(sample)[latent]! : (low + high) / 2;
  const value = Math.min(Math.max(own, low), high);
  return value === 0 ? Math.max(high / 100, 1e-3) : value; // exactly 0 is off
}

/** Samples by how strongly they use a latent, those in which it is off left out. */
export function byStrength(run: Run, latent: number): number[] {
  const { slabLoc, n } = run.samples;
  const strength = (sample: number): number => Math.abs(slabLoc.row(sample)[latent]!);
  return Array.from({ length: n }, (_, sample) => sample)
    .filter((sample) => isOn(run, sample, latent))
    .sort((a, b) => strength(b) - strength(a));
}

/** Samples in which a latent is off though their class uses it. */
export function offThoughUsed(run: Run, latent: number): number[] {
  const owners = new Set(run.factorOf[latent]!.classes);
  return ofClass(run, ALL).filter((sample) => owners.has(run.samples.labels[sample]!) && !isOn(run, sample, latent));
}
