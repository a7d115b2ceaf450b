// Samples that follow codes.

import { useSignal, useSignalEffect } from "@preact/signals";
import type { ReadonlySignal } from "@preact/signals";
import type { Code, Sample } from "./decoder";
import { morph } from "./morph";
import type { Step } from "./morph";
import { useStore } from "./store";

export interface Decoded {
  codes: readonly Code[];
  samples: readonly Sample[];
}

/** The decoded codes, the last that are ready; what is outdated before its turn is not decoded. */
export function useDecoded(codes: ReadonlySignal<readonly Code[]>): Decoded {
  const { decoder } = useStore();
  const decoded = useSignal<Decoded>({ codes: [], samples: [] });
  useSignalEffect(() => {
    const wanted = codes.value;
    let stale = false;
    void decoder
      .decode(wanted, () => !stale)
      .then((samples) => {
        if (samples && !stale) decoded.value = { codes: wanted, samples };
      });
    return () => {
      stale = true;
    };
  });
  return decoded.value;
}

/** The way from one code to the other; none while it is looked for. */
export function useMorph(ends: ReadonlySignal<readonly [Code, Code]>): readonly Step[] {
  const { decoder } = useStore();
  const steps = useSignal<readonly Step[]>([]);
  useSignalEffect(() => {
    const [from, to] = ends.value;
    let stale = false;
    void morph(decoder, from, to, () => !stale).then((found) => {
      if (found && !stale) steps.value = found;
    });
    return () => {
      stale = true;
    };
  });
  return steps.value;
}
