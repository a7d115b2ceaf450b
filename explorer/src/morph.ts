// From one code to another, latent by latent, in the order that explains most.

import { differing, edited } from "./codes";
import type { Code, Decoder, Sample } from "./decoder";
import type { Run } from "./run";

export interface Step {
  /** The latent that changes; −1 of the start. */
  latent: number;
  code: Code;
  sample: Sample;
  /** The share of the way from the first sample to the last that is gone, by squared distance; 0 to 1, or below 0. */
  explained: number;
}

/** How far two samples are from each other, squared; of cells by the logarithms of their counts. */
export type Distance = (a: Sample, b: Sample) => number;

export function distanceOf(run: Run): Distance {
  const scale = run.view === "genes" ? Math.log1p : (value: number): number => value;
  return (a, b) => {
    let sum = 0;
    for (let i = 0; i < a.length; i++) sum += (scale(a[i]!) - scale(b[i]!)) ** 2;
    return sum;
  };
}

/**
 * Each step changes the latent that leaves the sample nearest to the last one (greedy: of k latents it decodes
 * k (k + 1) / 2 codes). The first `most` steps are looked for; what is left changes at once.
 */
export async function morph(
  decoder: Decoder,
  distance: Distance,
  from: Code,
  to: Code,
  wanted: () => boolean = () => true,
  most = 24,
): Promise<Step[] | null> {
  const ends = await decoder.decode([from, to], wanted);
  if (!ends) return null;
  const [first, last] = ends as [Sample, Sample];
  const whole = distance(first, last);
  const explained = (sample: Sample): number => (whole > 0 ? 1 - distance(sample, last) / whole : 1);
  const steps: Step[] = [{ latent: -1, code: from, sample: first, explained: 0 }];
  const left = new Set(differing(from, to));
  while (left.size && steps.length <= most) {
    const latents = [...left];
    const now = steps[steps.length - 1]!.code;
    const candidates = latents.map((latent) => edited(now, { [latent]: to[latent]! }));
    const samples = await decoder.decode(candidates, wanted);
    if (!samples) return null;
    const distances = samples.map((sample) => distance(sample, last));
    const best = distances.indexOf(Math.min(...distances));
    const [latent, code, sample] = [latents[best]!, candidates[best]!, samples[best]!];
    left.delete(latent);
    steps.push({ latent, code, sample, explained: explained(sample) });
  }
  if (left.size) steps.push({ latent: -1, code: to, sample: last, explained: 1 });
  return steps;
}
