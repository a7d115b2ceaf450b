// Which latent of another run does what a latent of this one does.

import type { Run, Table } from "./run";
import type { Numbers } from "./safetensors";

export interface Match {
  latent: number;
  /** Its partner in the other run; −1 if that has none left in use. */
  partner: number;
  /** Cosine of what the two change, 0 to 1. NaN: not comparable. */
  change: number;
  /** Cosine of which classes use them, 0 to 1. NaN: other classes. */
  classes: number;
}

/** Whether the two are of the same classes and of samples of the same shape; what is not is not compared. */
export function comparable(run: Run, other: Run): { changes: boolean; classes: boolean } {
  const same = (a: readonly unknown[], b: readonly unknown[]): boolean => JSON.stringify(a) === JSON.stringify(b);
  return {
    changes:
      same(run.shape, other.shape) &&
      same(
        run.columns.map((c) => c.name),
        other.columns.map((c) => c.name),
      ),
    classes: same(run.class_names, other.class_names),
  };
}

/**
 * Partners, each latent at most once: the pairs that are most alike first, by the product of what can be compared.
 * Greedy: a latent whose nearest is taken gets the nearest of those that are left.
 */
export function matchRuns(run: Run, other: Run): Match[] {
  const { changes, classes } = comparable(run, other);
  const pairs = run.used.flatMap((latent) =>
    other.used.map((partner) => ({
      latent,
      partner,
      change: changes ? sameChange(run, latent, other, partner) : NaN,
      classes: classes ? cosine(column(run.activeByClass, latent), column(other.activeByClass, partner)) : NaN,
    })),
  );
  pairs.sort((a, b) => likeness(b) - likeness(a));
  const found = new Map<number, Match>();
  const taken = new Set<number>();
  if (changes || classes) {
    for (const pair of pairs) {
      if (!(likeness(pair) > 0) || found.has(pair.latent) || taken.has(pair.partner)) continue;
      found.set(pair.latent, pair);
      taken.add(pair.partner);
    }
  }
  return run.used.map((latent) => found.get(latent) ?? { latent, partner: -1, change: NaN, classes: NaN });
}

/** What a latent changes is on less off; of one that is always on high less low, where the sign is a convention. */
function sameChange(run: Run, latent: number, other: Run, partner: number): number {
  const found = cosine(run.change.row(latent), other.change.row(partner));
  const free = [run.factorOf[latent]!, other.factorOf[partner]!].some(({ kind }) => kind === "always-on");
  return free ? Math.abs(found) : Math.max(0, found);
}

/** The product of what can be compared; below all else without a partner. */
export function likeness({ partner, change, classes }: Match): number {
  if (partner < 0) return -1;
  return (Number.isNaN(change) ? 1 : change) * (Number.isNaN(classes) ? 1 : classes);
}

function column(table: Table, j: number): Float32Array {
  return Float32Array.from({ length: table.rows }, (_, i) => table.data[i * table.columns + j] || 0);
}

export function cosine(a: Numbers, b: Numbers): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : 0;
}
