// The page: the map, the bench with its code, the gallery, and a panel for each further question.

import { useEffect } from "preact/hooks";
import { saveFactors, saveMap } from "./export";
import { plural } from "./format";
import { Bench } from "./panels/bench";
import { ClassesPanel } from "./panels/classes";
import { CodePanel } from "./panels/code";
import { SamplesPanel } from "./panels/samples";
import { LatentPanel } from "./panels/latent";
import { MapPanel } from "./panels/map";
import { MeasuresPanel } from "./panels/measures";
import { MorphPanel } from "./panels/morph";
import { NewSamplesPanel } from "./panels/new_samples";
import { OtherRunPanel, takeOther } from "./panels/other_run";
import { StoreContext, TABS, THEMES, useStore } from "./store";
import type { Store, Tab, Theme } from "./store";

const PANELS: Record<Tab, { name: string; panel: () => preact.JSX.Element }> = {
  samples: { name: "Samples", panel: SamplesPanel },
  latent: { name: "Latent", panel: LatentPanel },
  classes: { name: "Classes", panel: ClassesPanel },
  new: { name: "New samples", panel: NewSamplesPanel },
  morph: { name: "Morph", panel: MorphPanel },
  measures: { name: "Measures", panel: MeasuresPanel },
  other: { name: "Other run", panel: OtherRunPanel },
};

export function App({ store }: { store: Store }) {
  useEffect(() => acceptDrops(store), [store]);
  return (
    <StoreContext.Provider value={store}>
      <a class="skip" href="#bench" onClick={jumpToBench}>
        Skip to the sample
      </a>
      <Header />
      {store.failure.value && (
        <p class="off" role="alert">
          Something could not be computed, so that pictures may be old: {store.failure.value}
        </p>
      )}
      <MapPanel />
      <div class="table">
        <div class="work">
          <Bench />
          <CodePanel />
        </div>
        <Tabs />
      </div>
      <Footer />
    </StoreContext.Provider>
  );
}

/** Another run's page may be dropped anywhere; the browser would open it. */
function acceptDrops(store: Store): () => void {
  const over = (event: DragEvent): void => event.preventDefault();
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    void takeOther(store, event.dataTransfer?.files[0]);
  };
  addEventListener("dragover", over);
  addEventListener("drop", drop);
  return () => {
    removeEventListener("dragover", over);
    removeEventListener("drop", drop);
  };
}

/** The address keeps the view, so a link within the page must not change it. */
function jumpToBench(event: Event): void {
  event.preventDefault();
  const bench = document.querySelector<HTMLElement>("#bench button");
  bench?.scrollIntoView();
  bench?.focus();
}

function Header() {
  const store = useStore();
  const { run } = store;
  return (
    <header>
      <p class="kicker">cospike explorer · run {run.run}</p>
      <h1>
        {run.data} <span>{run.objective} objective</span>
      </h1>
      {run.summary && <p class="lead">{run.summary}</p>}
      {run.notes.map((text) => (
        <p class="note" key={text}>
          {text}
        </p>
      ))}
      <p class="controls">
        <label>
          Theme{" "}
          <select
            value={store.theme.value}
            onChange={(event) => (store.theme.value = event.currentTarget.value as Theme)}
          >
            {THEMES.map((theme) => (
              <option key={theme} value={theme}>
                {theme === "auto" ? "as the system" : theme}
              </option>
            ))}
          </select>
        </label>
        <button type="button" onClick={() => saveMap(run)}>
          Save map as SVG
        </button>
        <button type="button" onClick={() => saveFactors(run)}>
          Save factors as CSV
        </button>
      </p>
    </header>
  );
}

function Tabs() {
  const store = useStore();
  const { panel: Panel } = PANELS[store.tab.value];
  return (
    <section id="panels" aria-label="Panels">
      <h2 class="hidden">Panels</h2>
      <div role="tablist" aria-label="Panels" onKeyDown={(event) => moveTab(event, store)}>
        {TABS.map((tab) => (
          <button
            key={tab}
            type="button"
            role="tab"
            id={`tab-${tab}`}
            aria-selected={tab === store.tab.value}
            aria-controls="panel"
            tabIndex={tab === store.tab.value ? 0 : -1}
            onClick={() => (store.tab.value = tab)}
          >
            {PANELS[tab].name}
          </button>
        ))}
      </div>
      <div id="panel" role="tabpanel" tabIndex={0} aria-labelledby={`tab-${store.tab.value}`}>
        <Panel key={store.tab.value} />
      </div>
    </section>
  );
}

function moveTab(event: KeyboardEvent, store: Store): void {
  const { length } = TABS;
  const at = TABS.indexOf(store.tab.value);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1 + length, Home: 0, End: length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  const next = TABS[to % length]!;
  store.tab.value = next;
  document.getElementById(`tab-${next}`)?.focus();
}

function Footer() {
  const { run } = useStore();
  return (
    <footer>
      <p>
        {plural(run.samples.n, "held-out sample")}, decoded here by the model itself: this page holds all that it needs
        and asks nobody. The address keeps what you see. cospike {run.version}.
      </p>
    </footer>
  );
}
