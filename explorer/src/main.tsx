// Unpacks the run, its decoder and the runtime, then shows the page.

import { effect } from "@preact/signals";
import { render } from "preact";
import { keepInAddress } from "./address";
import { App } from "./app";
import { codeOf } from "./codes";
import { makeDecoder } from "./decoder";
import { factorsCsv } from "./export";
import { judge } from "./plausibility";
import { readRun } from "./run";
import { makeStore } from "./store";
import "./style.css";
import { reason, take } from "./unpack";

async function start(root: HTMLElement): Promise<void> {
  const [packed, model, runtime] = await Promise.all([take("run"), take("decoder"), take("runtime")]);
  const run = readRun(packed);
  const decoder = await makeDecoder(runtime, model, run.n_latents);
  const store = makeStore(run, decoder);
  keepInAddress(store);
  effect(() => {
    document.documentElement.dataset["theme"] = store.theme.value; // before charts take their colour from it
  });
  root.replaceChildren();
  render(<App store={store} />, root);
  // For the console of the browser: the run, its codes, and what the decoder makes of any other.
  Object.assign(globalThis, {
    cospike: {
      run,
      store,
      codeOf: (sample: number) => codeOf(run, sample),
      decode: (codes: Float32Array[]) => decoder.decode(codes),
      judge: (code: Float32Array) => judge(run, code),
      factorsCsv: () => factorsCsv(run),
    },
  });
}

const root = document.getElementById("app")!;
start(root).catch((error: unknown) => {
  const text = document.createElement("p");
  text.setAttribute("role", "alert");
  text.textContent = `This page cannot show its run: ${reason(error)}`;
  root.replaceChildren(text);
});
