// A run as the page has it: what its latents are, and some held-out samples with their codes.

import { parseSafetensors } from "./safetensors";
import type { Numbers, Tensors } from "./safetensors";

export const SCHEMA = 1;

export type Kind = "always-on" | "global" | "group" | "class-specific" | "occasional" | "dead";

export interface Factor {
  latent: number;
  kind: Kind;
  /** Indices of the classes that use it. */
  classes: number[];
  /** Names of the classes of which the samples do not decide whether they use it. */
  undecided: string[];
  /** Share of the held-out samples in which it is on. */
  usage: number;
  lift: number | null;
  lift_low: number | null;
  lift_high: number | null;
  effect: number;
  /** 5 % and 95 % quantile of its value where it is on, in its own classes. */
  low: number;
  high: number;
  goes_with: { attribute: string; rho: number } | null;
  changes: string | null;
  targeted: { value: number; low: number; high: number } | null;
}

export interface Measure {
  name: string;
  title: string | null;
  meaning: string | null;
  value: number | null;
  text: string;
  stderr: number | null;
  unit: string;
  direction: "higher" | "lower" | "neither";
  how: string;
}

export interface Column {
  name: string;
  kind: "gaussian" | "bernoulli" | "categorical" | "count";
  missing: boolean;
  loc: number;
  scale: number;
  categories: string[];
  /** Its entries in a sample. */
  at: [number, number];
}

interface About {
  schema: number;
  version: string;
  run: string;
  data: string;
  objective: string;
  summary?: string | null;
  shape: number[];
  view: "images" | "columns" | "genes" | "profile";
  range: [number, number];
  n_latents: number;
  class_names: string[];
  order: number[];
  columns: Column[];
  factors: Factor[];
  effect_unit: string;
  measures: Measure[];
  limit: number;
  notes: string[];
}

/** A matrix, row after row. */
export interface Table<T extends Numbers = Float32Array> {
  rows: number;
  columns: number;
  data: T;
  row(i: number): T;
}

export interface Run extends About {
  /** Entries of a sample. */
  size: number;
  factorOf: Factor[];
  /** The latents that do something, in the order of the map: shared ones left, those of one class right. */
  used: number[];
  activeByClass: Table;
  activeLow: Table;
  activeHigh: Table;
  pattern: { probs: Table; loc: Table; scale: Table } | null;
  classLow: Table;
  classHigh: Table;
  latentLow: Float32Array;
  latentHigh: Float32Array;
  surprise: { n: Int32Array; on: Table<Int32Array>; total: Table; squares: Table; scale: Float32Array };
  change: Table<Int8Array>;
  changeScale: Float32Array;
  samples: {
    n: number;
    index: Int32Array;
    labels: Int32Array;
    activeProbs: Table<Uint8Array>;
    slabLoc: Table;
    x: Table<Uint8Array | Float32Array>;
  };
}

const NEEDED = [
  ...["run", "data", "objective", "shape", "view", "range", "n_latents", "class_names", "order", "columns", "factors"],
  ...["effect_unit", "measures", "limit", "notes", "version"],
];

export const KINDS: Kind[] = ["always-on", "global", "group", "class-specific", "occasional", "dead"];

export function readRun(bytes: Uint8Array<ArrayBuffer>): Run {
  const parsed = parseSafetensors(bytes);
  const about = JSON.parse(parsed.metadata["explorer"] ?? "null") as About | null;
  if (about?.schema !== SCHEMA) {
    throw new Error(`it has schema ${about?.schema ?? "none"}, this page reads ${SCHEMA}`);
  }
  const lacking = NEEDED.find((name) => !(name in about));
  if (lacking) throw new Error(`it lacks ${lacking}`);
  const latents = about.n_latents;
  const classes = about.class_names.length;
  const size = about.shape.reduce((a, b) => a * b, 1);
  const take = <T extends Numbers = Float32Array>(name: string, columns: number, rows?: number): Table<T> =>
    asTable<T>(parsed, name, columns, rows);
  const factorOf: Factor[] = [];
  for (const factor of about.factors) factorOf[factor.latent] = factor;
  const index = take<Int32Array>("index", 1).data;
  const n = index.length;
  const x = take<Uint8Array | Float32Array>("x", size, n);
  if (about.view === "genes") toCounts(x);
  return {
    ...about,
    size,
    factorOf,
    used: staircase(about),
    activeByClass: take("active_by_class", latents, classes),
    activeLow: take("active_low", latents, classes),
    activeHigh: take("active_high", latents, classes),
    pattern: parsed.tensors.has("pattern_probs")
      ? {
          probs: take("pattern_probs", latents, classes),
          loc: take("pattern_loc", latents, classes),
          scale: take("pattern_scale", latents, classes),
        }
      : null,
    classLow: take("class_low", latents, classes),
    classHigh: take("class_high", latents, classes),
    latentLow: take("latent_low", 1, latents).data,
    latentHigh: take("latent_high", 1, latents).data,
    surprise: {
      n: take<Int32Array>("surprise_n", 1).data,
      on: take<Int32Array>("surprise_on", latents),
      total: take("surprise_total", latents),
      squares: take("surprise_squares", latents),
      scale: take("surprise_scale", 1, latents).data,
    },
    change: take<Int8Array>("change", size, latents),
    changeScale: take("change_scale", 1, latents).data,
    samples: {
      n,
      index,
      labels: take<Int32Array>("labels", 1, n).data,
      activeProbs: take<Uint8Array>("active_probs", latents, n),
      slabLoc: take("slab_loc", latents, n),
      x,
    },
  };
}

/** Cells as the decoder gives them, of 10,000 counts each. */
function toCounts(x: Table<Uint8Array | Float32Array>): void {
  for (let i = 0; i < x.rows; i++) {
    const row = x.row(i);
    let total = 0;
    for (const value of row) total += value;
    for (let gene = 0; gene < row.length; gene++) row[gene] = (1e4 * row[gene]!) / (total || 1);
  }
}

function asTable<T extends Numbers>(parsed: Tensors, name: string, columns: number, rows?: number): Table<T> {
  const tensor = parsed.tensors.get(name);
  if (!tensor) throw new Error(`it lacks ${name}`);
  const data = tensor.data as T;
  const found = columns ? data.length / columns : (rows ?? 0);
  if (!Number.isInteger(found) || (rows !== undefined && found !== rows)) {
    throw new Error(`${name} has ${data.length} numbers, not ${rows ?? "rows"} × ${columns}`);
  }
  return { rows: found, columns, data, row: (i) => data.subarray(i * columns, (i + 1) * columns) as T };
}

/** Shared latents first, then each class's own in the order of the classes: a staircase, as in the report. */
function staircase(about: About): number[] {
  const place = new Map(about.order.map((label, i) => [label, i]));
  const key = (factor: Factor): number[] => {
    const owners = factor.classes.map((label) => place.get(label) ?? 0).sort((a, b) => a - b);
    return [KINDS.indexOf(factor.kind), ...(["group", "class-specific"].includes(factor.kind) ? owners : [])];
  };
  return about.factors
    .filter((factor) => factor.kind !== "dead")
    .map((factor, i) => ({ latent: factor.latent, key: [...key(factor), Infinity, i] }))
    .sort((a, b) => compareKeys(a.key, b.key))
    .map(({ latent }) => latent);
}

function compareKeys(a: number[], b: number[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}
