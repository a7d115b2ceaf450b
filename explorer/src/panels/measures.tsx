// The measures of the run, with what they mean.

import { fixed } from "../format";
import type { Measure } from "../run";
import { useStore } from "../store";

const ARROW = { higher: "↑ higher", lower: "↓ lower", neither: "–" };

export function MeasuresPanel() {
  const { run } = useStore();
  const told = run.measures.filter((measure) => measure.title !== null);
  const others = run.measures.filter((measure) => measure.title === null);
  return (
    <>
      <Measures measures={told} title="Measures" />
      {others.length > 0 && (
        <details>
          <summary>{others.length} more, with their definitions</summary>
          <Measures measures={others} title="More measures" />
        </details>
      )}
    </>
  );
}

function Measures({ measures, title }: { measures: Measure[]; title: string }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={title}>
      <table>
        <thead>
          <tr>
            <th scope="col">Measure</th>
            <th scope="col" class="number">
              Value
            </th>
            <th scope="col">Better</th>
          </tr>
        </thead>
        <tbody>
          {measures.map((measure) => (
            <tr key={measure.name}>
              <th scope="row">
                {measure.title ?? <code>{measure.name}</code>}
                <small>
                  {measure.unit === "fraction" ? "%" : measure.unit} · {measure.meaning ?? measure.how}
                </small>
              </th>
              <td class="number" title={measure.how}>
                {measure.text}
                {measure.stderr !== null && (
                  <small>± {fixed(measure.stderr * (measure.unit === "fraction" ? 100 : 1), 2)}</small>
                )}
              </td>
              <td>{ARROW[measure.direction]}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
