// Whether a code is still among the data: as `cospike.Plausibility`, whose module derives it.
//
// A code is as surprising as its rarest latent, in the class that finds it least so.

import type { Code } from "./decoder";
import type { Run } from "./run";

export interface Verdict {
  /** The surprise of the rarest latent, to the class that it surprises least, in nats. */
  score: number;
  /** That latent. */
  latent: number;
  inside: boolean;
}

export function judge(run: Run, code: Code): Verdict {
  let best = { score: Infinity, latent: -1 };
  for (let pattern = 0; pattern < run.surprise.n.length; pattern++) {
    const worst = rarest(run, pattern, code, best.score);
    if (worst.score < best.score) best = worst;
  }
  return { ...best, inside: best.score <= run.limit * (1 + 1e-5) }; // sums in float32: ties at the limit are inside
}

/** The rarest latent of a code to one pattern; no further than `enough`, above which it cannot be the best. */
function rarest(run: Run, pattern: number, code: Code, enough: number): { score: number; latent: number } {
  const { n, on, total, squares, scale } = run.surprise;
  const [nOn, sums, sums2] = [on.row(pattern), total.row(pattern), squares.row(pattern)];
  let score = -1;
  let latent = -1;
  for (let i = 0; i < code.length && score < enough; i++) {
    const weight = nOn[i]! + 1;
    const prob = weight / (n[pattern]! + 2);
    let nats = -Math.log1p(-prob);
    if (code[i] !== 0) {
      const mean = sums[i]! / weight;
      const spread = ((1 + sums2[i]! - sums[i]! * mean) * (weight + 1)) / weight;
      nats = ((weight + 1) / 2) * Math.log1p((code[i]! / scale[i]! - mean) ** 2 / spread) - Math.log(prob);
    }
    if (nats > score) [score, latent] = [nats, i];
  }
  return { score, latent };
}
