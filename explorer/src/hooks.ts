// Samples that follow codes.

import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import type { ReadonlySignal } from "@preact/signals";
import type { Code, Sample } from "./decoder";
import { distanceOf, morph } from "./morph";
import type { Step } from "./morph";
import { useStore } from "./store";

/** What a question comes to, once it is answered; the question is kept with the answer, which may come late. */
export interface Answer<Q, A> {
  of: Q;
  found: A;
}

/** Asks again whenever the question changes; an answer that is outdated, or not wanted any more, is dropped. */
function useAnswer<Q, A>(
  question: ReadonlySignal<Q>,
  ask: (of: Q, wanted: () => boolean) => Promise<A | null>,
): ReadonlySignal<Answer<Q, A> | null> {
  const { failure } = useStore();
  const answer = useSignal<Answer<Q, A> | null>(null);
  useSignalEffect(() => {
    const of = question.value;
    let stale = false;
    ask(of, () => !stale).then(
      (found) => {
        if (found !== null && !stale) answer.value = { of, found };
      },
      (error: unknown) => {
        failure.value = error instanceof Error ? error.message : String(error);
      },
    );
    return () => {
      stale = true;
    };
  });
  return answer;
}

export interface Decoded {
  codes: readonly Code[];
  samples: readonly Sample[];
}

/** The decoded codes, the last that are ready. */
export function useDecoded(codes: ReadonlySignal<readonly Code[]>): Decoded {
  const { decoder } = useStore();
  const { value } = useAnswer(codes, (of, wanted) => decoder.decode(of, wanted));
  return { codes: value?.of ?? [], samples: value?.found ?? [] };
}

export type Ends = readonly [Code, Code];

export interface Way {
  ends: Ends;
  steps: readonly Step[];
}

/** The way from one code to the other; null while the first is looked for. */
export function useMorph(ends: ReadonlySignal<Ends>): ReadonlySignal<Way | null> {
  const { run, decoder } = useStore();
  const distance = distanceOf(run);
  const answer = useAnswer(ends, ([from, to], wanted) => morph(decoder, distance, from, to, wanted));
  return useComputed(() => answer.value && { ends: answer.value.of, steps: answer.value.found });
}
