// Another run's page, dropped on this one: which of its latents do what these do. It is read, not run.

import { fixed } from "../format";
import { comparable, likeness, matchRuns } from "../matching";
import type { Match } from "../matching";
import { Change } from "../picture";
import { readRun } from "../run";
import type { Run } from "../run";
import { useStore } from "../store";
import type { Store } from "../store";
import { reason, unpack } from "../unpack";

const LIKE = 0.7;

export function OtherRunPanel() {
  const store = useStore();
  const { value: other } = store.other;
  return (
    <>
      <p class="controls">
        <label>
          Drop the explorer.html of another run on this page, or choose it{" "}
          <input
            type="file"
            accept=".html,text/html"
            onChange={(event) => void takeOther(store, event.currentTarget.files?.[0])}
          />
        </label>
      </p>
      {typeof other === "string" && (
        <p class="off" role="alert">
          {other}
        </p>
      )}
      {typeof other === "object" && other ? (
        <Comparison run={store.run} other={other} />
      ) : (
        <p class="note">
          Such as one with another seed, objective or price: each latent of this run is held against its nearest there.
        </p>
      )}
    </>
  );
}

/** Reads a file that was chosen, or dropped on the page. */
export async function takeOther(store: Store, file: File | undefined): Promise<void> {
  if (!file) return;
  try {
    store.other.value = await readPage(file);
  } catch (error) {
    store.other.value = `${file.name} cannot be read: ${reason(error)}`;
  }
  store.tab.value = "other";
}

/** The run in a page that `cospike explore` wrote; nothing in it is run. */
async function readPage(file: File): Promise<Run> {
  const found = /<script type="text\/plain" id="run">([A-Za-z0-9+/=\s]+)<\/script>/.exec(await file.text());
  if (!found) throw new Error("it must be a page that cospike explore wrote");
  return readRun(await unpack(found[1]!));
}

function Comparison({ run, other }: { run: Run; other: Run }) {
  const { changes, classes } = comparable(run, other);
  if (!changes && !classes) {
    return <p>The other run has other classes and samples of another shape: there is nothing to compare.</p>;
  }
  const matches = matchRuns(run, other);
  const alike = matches.filter((match) => (changes ? match.change : match.classes) >= LIKE).length;
  return (
    <>
      <h3>
        {other.run} <small>{`${other.data}, ${other.objective}`}</small>
      </h3>
      <p>
        {run.data !== other.data && "The runs are of different data. "}
        {alike} of {matches.length} latents have a partner that{" "}
        {changes ? "changes the same" : "serves the same classes"}, with a cosine of {fixed(LIKE, 1)} or more.
      </p>
      <div class="scroll" tabIndex={0} role="region" aria-label="Latents of both runs">
        <table class="matches">
          <thead>
            <tr>
              <th scope="col">Here</th>
              <th scope="col">There</th>
              <th scope="col" class="number">
                Changes alike
              </th>
              <th scope="col" class="number">
                Classes alike
              </th>
            </tr>
          </thead>
          <tbody>
            {[...matches]
              .sort((a, b) => likeness(b) - likeness(a))
              .map((match) => (
                <Pair key={match.latent} run={run} other={other} match={match} />
              ))}
          </tbody>
        </table>
      </div>
      <Measures run={run} other={other} />
    </>
  );
}

function Pair({ run, other, match }: { run: Run; other: Run; match: Match }) {
  return (
    <tr>
      <th scope="row">
        <Change run={run} latent={match.latent} />
        <span>
          {match.latent} <small>{run.factorOf[match.latent]!.kind}</small>
        </span>
      </th>
      <td>
        {match.partner < 0 ? (
          "none"
        ) : (
          <>
            <Change run={other} latent={match.partner} />
            <span>
              {match.partner} <small>{other.factorOf[match.partner]!.kind}</small>
            </span>
          </>
        )}
      </td>
      <td class="number">{fixed(match.change)}</td>
      <td class="number">{fixed(match.classes)}</td>
    </tr>
  );
}

function Measures({ run, other }: { run: Run; other: Run }) {
  const there = new Map(other.measures.map((measure) => [measure.name, measure]));
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Measures of both runs">
      <table>
        <thead>
          <tr>
            <th scope="col">Measure</th>
            <th scope="col" class="number">
              {run.run}
            </th>
            <th scope="col" class="number">
              {other.run}
            </th>
          </tr>
        </thead>
        <tbody>
          {run.measures
            .filter((measure) => measure.title !== null)
            .map((measure) => (
              <tr key={measure.name}>
                <th scope="row">
                  {measure.title} <small>{measure.unit === "fraction" ? "%" : measure.unit}</small>
                </th>
                <td class="number">{measure.text}</td>
                <td class="number">{there.get(measure.name)?.text ?? "–"}</td>
              </tr>
            ))}
        </tbody>
      </table>
    </div>
  );
}
