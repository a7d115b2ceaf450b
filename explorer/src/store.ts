// What the reader looks at, as signals.

import { batch, computed, signal } from "@preact/signals";
import type { ReadonlySignal, Signal } from "@preact/signals";
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { ALL, NONE, byStrength, codeOf, edited, editsBetween, ofClass } from "./codes";
import type { Edits } from "./codes";
import type { Code, Decoder } from "./decoder";
import type { Run } from "./run";

export const TABS = ["samples", "latent", "classes", "new", "morph", "measures", "other"] as const;
export type Tab = (typeof TABS)[number];
export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];
export const SORTS = ["kept", "use"] as const;
export type Sort = (typeof SORTS)[number];

export interface Store {
  run: Run;
  decoder: Decoder;
  /** The held-out sample on the bench. */
  sample: Signal<number>;
  /** Latents set by hand. */
  edits: Signal<Edits>;
  latent: Signal<number>;
  /** The class that the gallery and the map show alone; `ALL`, or `NONE` for samples without one. */
  shown: Signal<number>;
  sort: Signal<Sort>;
  pair: Signal<readonly [number, number]>;
  tab: Signal<Tab>;
  /** The sample to morph to. */
  target: Signal<number>;
  /** The class of new samples, and the seed of their draw. */
  drawn: Signal<number>;
  seed: Signal<number>;
  /** Latents that new samples take over from the bench. */
  locked: Signal<readonly number[]>;
  /** Whether sliders go beyond what the class shows. */
  wide: Signal<boolean>;
  theme: Signal<Theme>;
  /** What the page looks like now. */
  scheme: ReadonlySignal<"light" | "dark">;
  /** Samples of the class that is shown, in the order that is asked for. */
  listed: ReadonlySignal<readonly number[]>;
  /** Why something could not be computed; empty if all could. */
  failure: Signal<string>;
  /** Another run, held against this one; or why it could not be read. */
  other: Signal<Run | string | null>;
  /** The code of the sample, and what is made of it by hand. */
  start: ReadonlySignal<Code>;
  code: ReadonlySignal<Code>;
  label: ReadonlySignal<number>;
}

export function makeStore(run: Run, decoder: Decoder): Store {
  const first = run.order.find((label) => run.samples.labels.includes(label)) ?? -1;
  const sample = signal(Math.max(0, first < 0 ? 0 : run.samples.labels.indexOf(first)));
  const edits = signal<Edits>({});
  const start = computed(() => codeOf(run, sample.value));
  const [one, two] = run.order;
  const shown = signal(ALL);
  const sort = signal<Sort>("kept");
  const latent = signal(strongest(run));
  const theme = signal<Theme>("auto");
  return {
    run,
    decoder,
    sample,
    edits,
    start,
    code: computed(() => edited(start.value, edits.value)),
    label: computed(() => run.samples.labels[sample.value] ?? -1),
    latent,
    shown,
    sort,
    listed: computed(() => listed(run, shown.value, sort.value, latent.value)),
    pair: signal<readonly [number, number]>([one ?? 0, two ?? one ?? 0]),
    tab: signal<Tab>("samples"),
    target: signal(Math.max(run.samples.labels.indexOf(two ?? -1), run.samples.n > 1 ? 1 : 0)),
    drawn: signal(first),
    seed: signal(0),
    locked: signal<readonly number[]>([]),
    wide: signal(false),
    theme,
    scheme: computed(() => (theme.value === "auto" ? system.value : theme.value)),
    failure: signal(""),
    other: signal<Run | string | null>(null),
  };
}

const darkness = matchMedia("(prefers-color-scheme: dark)");
const system = signal<"light" | "dark">(darkness.matches ? "dark" : "light");
darkness.addEventListener("change", ({ matches }) => (system.value = matches ? "dark" : "light"));

function listed(run: Run, label: number, sort: Sort, latent: number): number[] {
  if (sort === "kept" || latent < 0) return mixed(ofClass(run, label), run.samples.labels);
  const strong = byStrength(run, latent);
  return label === ALL
    ? strong
    : strong.filter((sample) => run.samples.labels[sample] === (label === NONE ? -1 : label));
}

/** Samples of all classes in turn: the run keeps them class by class. */
function mixed(samples: number[], labels: Int32Array): number[] {
  const seen = new Map<number, number>();
  const turn = new Map<number, number>();
  for (const sample of samples) {
    const label = labels[sample]!;
    seen.set(label, (seen.get(label) ?? 0) + 1);
    turn.set(sample, seen.get(label)!);
  }
  return [...samples].sort((a, b) => turn.get(a)! - turn.get(b)! || labels[a]! - labels[b]!);
}

/** The latent of a few classes that does most: the first to look at. */
function strongest(run: Run): number {
  const own = run.used.filter((latent) => ["group", "class-specific"].includes(run.factorOf[latent]!.kind));
  const weight = (latent: number): number => run.factorOf[latent]!.usage * (run.factorOf[latent]!.effect || 0);
  return [...(own.length ? own : run.used)].sort((a, b) => weight(b) - weight(a))[0] ?? -1;
}

export const StoreContext = createContext<Store | null>(null);

export function useStore(): Store {
  return useContext(StoreContext)!;
}

/** Puts a code on the bench, as the sample there with what differs set by hand. */
export function putOnBench(store: Store, code: Code): void {
  store.edits.value = editsBetween(store.start.value, code);
}

/** A class alone; with one picked, another is compared with it. */
export function pickClass(store: Store, label: number): void {
  const { value: picked } = store.shown;
  batch(() => {
    if (picked < 0 || picked === label) store.shown.value = picked === label ? ALL : label;
    else {
      store.pair.value = [picked, label];
      store.tab.value = "classes";
    }
  });
}

/** The classes that the map does not dim; all if empty. */
export function pickedClasses(store: Store): readonly number[] {
  if (store.tab.value === "classes") return store.pair.value;
  return store.shown.value < 0 ? [] : [store.shown.value];
}

export function inspect(store: Store, latent: number): void {
  batch(() => {
    store.latent.value = latent;
    store.tab.value = "latent";
  });
}

/** The sample before or after the one on the bench, among those listed. */
export function step(store: Store, by: 1 | -1): void {
  const { value: samples } = store.listed;
  const at = samples.indexOf(store.sample.value);
  const next = samples[at < 0 ? 0 : (at + by + samples.length) % samples.length];
  if (next !== undefined) pick(store, next);
}

/** Puts a held-out sample on the bench. */
export function pick(store: Store, sample: number): void {
  batch(() => {
    store.sample.value = sample;
    store.edits.value = {};
  });
}

export function setLatent(store: Store, latent: number, value: number): void {
  const { [latent]: _, ...others } = store.edits.value;
  const rounded = Math.fround(value); // as codes have it
  store.edits.value = rounded === store.start.value[latent] ? others : { ...others, [latent]: rounded };
}
