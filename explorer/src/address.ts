// The view in the address, as `#sample=12&set=5:1.5`: what is at its default is left out, what means nothing is ignored.

import { batch, effect } from "@preact/signals";
import type { Signal } from "@preact/signals";
import { NONE } from "./codes";
import type { Run } from "./run";
import { SORTS, TABS, THEMES } from "./store";
import type { Store } from "./store";

const PAUSE = 200; // milliseconds: browsers refuse an address that changes with every move of a slider

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
      const parts = text.split(",").filter(Boolean);
      const found = parts.map((part) => /^(\d+):(-?[\d.]+(?:e-?\d+)?)$/.exec(part)?.slice(1).map(Number));
      const fine = found.every((one) => one && one[0]! < store.run.n_latents && Math.abs(one[1]!) < 1e6);
      if (fine) store.edits.value = Object.fromEntries(found as number[][]);
      return fine;
    },
  },
  latent: index("latent", (run) => run.n_latents),
  class: index("shown", nClasses, NONE),
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
  let known = location.hash.slice(1); // what was last read or written: anything else is somebody's, and to be read
  const read = (): void => {
    known = location.hash.slice(1);
    const given = new URLSearchParams(location.hash.slice(1));
    batch(() => {
      for (const [name, field] of Object.entries(FIELDS)) field.read(store, given.get(name) ?? defaults[name]!);
    });
  };
  if (location.hash.length > 1) read();
  addEventListener("hashchange", read);
  let [later, last] = [0, 0];
  effect(() => {
    const changed = Object.entries(write(store)).filter(([name, text]) => text !== defaults[name]);
    const hash = changed.map(([name, text]) => `${name}=${encodeURIComponent(text)}`).join("&");
    clearTimeout(later);
    const put = (): void => {
      if (hash === known || location.hash.slice(1) !== known) return;
      history.replaceState(null, "", hash ? `#${hash}` : location.pathname);
      [known, last] = [hash, performance.now()];
    };
    later = setTimeout(put, PAUSE - (performance.now() - last));
  });
}

function write(store: Store): Record<string, string> {
  return Object.fromEntries(Object.entries(FIELDS).map(([name, field]) => [name, field.write(store)]));
}
