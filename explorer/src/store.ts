// What the reader looks at: signals, which the address keeps as `#sample=12&set=5:1.5`.

import { batch, computed, effect, signal } from "@preact/signals";
import type { ReadonlySignal, Signal } from "@preact/signals";
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { codeOf, edited } from "./codes";
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
  /** The class that the gallery and the map show alone; −1 for all. */
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
  const order = run.order;
  const store: Store = {
    run,
    decoder,
    sample,
    edits,
    start,
    code: computed(() => edited(start.value, edits.value)),
    label: computed(() => run.samples.labels[sample.value] ?? -1),
    latent: signal(strongest(run)),
    shown: signal(-1),
    sort: signal<Sort>("kept"),
    pair: signal<readonly [number, number]>([order[0] ?? 0, order[1] ?? order[0] ?? 0]),
    tab: signal<Tab>("samples"),
    target: signal(Math.max(0, run.samples.labels.indexOf(order[1] ?? -1))),
    drawn: signal(first),
    seed: signal(0),
    locked: signal<readonly number[]>([]),
    wide: signal(false),
    theme: signal<Theme>("auto"),
    other: signal<Run | string | null>(null),
  };
  return store;
}

/** The latent of a few classes that does most: the first to look at. */
function strongest(run: Run): number {
  const own = run.used.filter((latent) => ["group", "class-specific"].includes(run.factorOf[latent]!.kind));
  const weight = (latent: number): number => run.factorOf[latent]!.usage * (run.factorOf[latent]!.effect || 0);
  return [...(own.length ? own : run.used)].sort((a, b) => weight(b) - weight(a))[0] ?? -1;
}

const whole = (text: string): number => (/^-?\d+$/.test(text) ? Number(text) : NaN);

interface Field {
  write(store: Store): string;
  /** False if the text means nothing in this run: an address may be of another one. */
  read(store: Store, text: string): boolean;
}

function index(key: "sample" | "latent" | "shown" | "target" | "drawn", size: (run: Run) => number, least = 0): Field {
  return {
    write: (store) => String(store[key].value),
    read: (store, text) => {
      const value = whole(text);
      if (!(value >= least && value < size(store.run))) return false;
      store[key].value = value;
      return true;
    },
  };
}

function choice<T extends string>(key: "tab" | "theme" | "sort", choices: readonly T[]): Field {
  return {
    write: (store) => store[key].value,
    read: (store, text) => {
      if (!choices.includes(text as T)) return false;
      (store[key] as Signal<string>).value = text;
      return true;
    },
  };
}

const nClasses = (run: Run): number => run.class_names.length;
const FIELDS: Record<string, Field> = {
  sample: index("sample", (run) => run.samples.n),
  set: {
    write: ({ edits }) =>
      Object.entries(edits.value)
        .map(([latent, value]) => `${latent}:${Number(value.toPrecision(6))}`)
        .join(","),
    read: (store, text) => {
      const parts = text
        .split(",")
        .filter(Boolean)
        .map((part) => part.split(":").map(Number));
      const fine = parts.every(
        ([latent, value]) =>
          Number.isInteger(latent) && latent! >= 0 && latent! < store.run.n_latents && Math.abs(value!) < 1e6,
      );
      if (fine) store.edits.value = Object.fromEntries(parts);
      return fine;
    },
  },
  latent: index("latent", (run) => run.n_latents),
  class: index("shown", nClasses, -1),
  sort: choice("sort", SORTS),
  pair: {
    write: ({ pair }) => pair.value.join(","),
    read: (store, text) => {
      const [a, b] = text.split(",").map(whole);
      const fine = [a, b].every((label) => label! >= 0 && label! < nClasses(store.run));
      if (fine) store.pair.value = [a!, b!];
      return fine;
    },
  },
  tab: choice("tab", TABS),
  to: index("target", (run) => run.samples.n),
  of: index("drawn", nClasses, -1),
  seed: {
    write: ({ seed }) => String(seed.value),
    read: (store, text) => {
      if (!(whole(text) >= 0)) return false;
      store.seed.value = whole(text);
      return true;
    },
  },
  locked: {
    write: ({ locked }) => locked.value.join(","),
    read: (store, text) => {
      const latents = text.split(",").filter(Boolean).map(whole);
      const fine = latents.every((latent) => latent >= 0 && latent < store.run.n_latents);
      if (fine) store.locked.value = latents;
      return fine;
    },
  },
  wide: {
    write: ({ wide }) => String(Number(wide.value)),
    read: (store, text) => {
      store.wide.value = text === "1";
      return true;
    },
  },
  theme: choice("theme", THEMES),
};

/** Takes the view from the address, and from then on keeps the address at the view. */
export function keepInAddress(store: Store): void {
  const defaults = write(store);
  const read = (): void => {
    const given = new URLSearchParams(location.hash.slice(1));
    batch(() => {
      for (const [name, field] of Object.entries(FIELDS)) field.read(store, given.get(name) ?? defaults[name]!);
    });
  };
  if (location.hash.length > 1) read();
  addEventListener("hashchange", read);
  effect(() => {
    const changed = Object.entries(write(store)).filter(([name, text]) => text !== defaults[name]);
    const hash = changed.map(([name, text]) => `${name}=${encodeURIComponent(text)}`).join("&");
    if (hash !== location.hash.slice(1)) history.replaceState(null, "", hash ? `#${hash}` : location.pathname);
  });
}

function write(store: Store): Record<string, string> {
  return Object.fromEntries(Object.entries(FIELDS).map(([name, field]) => [name, field.write(store)]));
}

export const StoreContext = createContext<Store | null>(null);

export function useStore(): Store {
  return useContext(StoreContext)!;
}

/** Puts a code on the bench, as the sample there with what differs set by hand. */
export function putOnBench(store: Store, code: Code): void {
  const edits: Record<number, number> = {};
  code.forEach((value, latent) => {
    if (value !== store.start.value[latent]) edits[latent] = value;
  });
  store.edits.value = edits;
}

/** A class alone; with one picked, another is compared with it. */
export function pickClass(store: Store, label: number): void {
  const { value: picked } = store.shown;
  batch(() => {
    if (picked < 0 || picked === label) store.shown.value = picked === label ? -1 : label;
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
