// The classes, in the order of the map, to choose one from.

import { className } from "./format";
import type { Run } from "./run";

export function ClassOptions({ run }: { run: Run }) {
  return (
    <>
      {run.order.map((label) => (
        <option key={label} value={label}>
          {className(run, label)}
        </option>
      ))}
    </>
  );
}
