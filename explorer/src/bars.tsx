// A row of a table, or a cell: a bar an entry, in the column's own units, against where it was before.

import { fixed, percent, signed } from "./format";
import type { Column, Run } from "./run";
import type { Numbers } from "./safetensors";

const MOST_BARS = 24;
const MOST_CATEGORIES = 3;

export interface Bar {
  name: string;
  /** Where the value lies on its axis, 0 to 1, and where the axis has its zero: the mean, or nothing. */
  at: number;
  zero: number;
  text: string;
  /** What the sample itself has. */
  given: string;
  before: number;
  /** The change in words; empty if there is none to speak of. */
  change: string;
  /** How large the change is, in lengths of its axis. */
  size: number;
}

/** The bars that changed most, in the table's order: all, if they fit. */
export function barsOf(run: Run, values: Numbers, before: Numbers, given: Numbers): { bars: Bar[]; left: number } {
  const all = run.columns.flatMap((column) => columnBars(column, values, before, given));
  if (all.length <= MOST_BARS) return { bars: all, left: 0 };
  const told = new Set([...all].sort((a, b) => b.size - a.size || b.at - a.at).slice(0, MOST_BARS));
  return { bars: all.filter((bar) => told.has(bar)), left: all.length - told.size };
}

function columnBars(column: Column, values: Numbers, before: Numbers, given: Numbers): Bar[] {
  const [start, stop] = column.at;
  const lacking = (x: Numbers): boolean => column.missing && x[stop]! > 0.5;
  const bar = (entry: number, name: string, one: Scale): Bar => {
    const [value, old] = [values[entry]!, before[entry]!];
    const size = Math.abs(one.place(value) - one.place(old));
    const change = size < 0.002 ? "" : one.difference(value, old);
    return {
      name,
      at: clip(one.place(value)),
      zero: one.zero,
      text: lacking(values) ? "missing" : one.text(value),
      given: lacking(given) ? "missing" : one.text(given[entry]!),
      before: clip(one.place(old)),
      change: /[1-9]/.test(change) ? change : "",
      size,
    };
  };
  if (column.kind === "gaussian") return [bar(start, column.name, number(column))];
  if (column.kind === "count") return [bar(start, column.name, COUNT)];
  if (column.kind === "bernoulli") return [bar(start, `${column.name} = ${column.categories[1]}`, SHARE)];
  const largest = (entry: number): number => Math.max(values[entry]!, before[entry]!);
  const told = column.categories.map((_, i) => start + i).sort((a, b) => largest(b) - largest(a));
  return told
    .slice(0, MOST_CATEGORIES)
    .sort((a, b) => a - b)
    .map((entry) => bar(entry, `${column.name} = ${column.categories[entry - start]}`, SHARE));
}

interface Scale {
  zero: number;
  /** On the axis, of which 0 to 1 is shown. */
  place(value: number): number;
  text(value: number): string;
  difference(value: number, before: number): string;
}

const clip = (x: number): number => Math.max(0, Math.min(1, x));

const SHARE: Scale = {
  zero: 0,
  place: (value) => value,
  text: percent,
  difference: (value, before) => `${signed(100 * (value - before), 0)} %`,
};

const count = (value: number): string => fixed(value, value >= 10 ? 0 : 1);

/** Counts in a cell of 10,000, on an axis of logarithms. */
const COUNT: Scale = {
  zero: 0,
  place: (value) => Math.log1p(Math.max(0, value)) / Math.log1p(500),
  text: count,
  difference: (value, before) => `${value > before ? "+" : "−"}${count(Math.abs(value - before))}`,
};

/** A number, standardised: three standard deviations to both sides of the mean. */
function number(column: Column): Scale {
  const digits = Math.min(12, Math.max(0, 1 - Math.floor(Math.log10(column.scale))));
  return {
    zero: 0.5,
    place: (value) => 0.5 + value / 6,
    text: (value) => fixed(value * column.scale + column.loc, digits),
    difference: (value, before) => signed((value - before) * column.scale, digits),
  };
}

interface BarsProps {
  run: Run;
  /** What the reader's code gives, what the sample's own gives, and the sample itself. */
  values: Numbers;
  before: Numbers;
  given: Numbers;
  title: string;
  outside: boolean;
}

export function Bars({ run, values, before, given, title, outside }: BarsProps) {
  const { bars, left } = barsOf(run, values, before, given);
  return (
    <div class={`scroll ${outside ? "outside" : ""}`} tabIndex={0} role="region" aria-label={title}>
      <table class="bars">
        <caption class="hidden">{title}</caption>
        <thead>
          <tr>
            <th scope="col">{run.view === "genes" ? "Gene" : "Column"}</th>
            <th scope="col">
              <span class="hidden">bar</span>
            </th>
            <th scope="col" class="number">
              sample
            </th>
            <th scope="col" class="number">
              yours
            </th>
            <th scope="col" class="number">
              change
            </th>
          </tr>
        </thead>
        <tbody>
          {bars.map((bar) => (
            <tr key={bar.name}>
              <th scope="row">{bar.name}</th>
              <td>
                <BarLine {...bar} />
              </td>
              <td class="number given">{bar.given}</td>
              <td class="number">{bar.text}</td>
              <td class={`number ${bar.change.startsWith("−") ? "less" : "more"}`}>{bar.change}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {left > 0 && (
        <p class="note">
          The {bars.length} that changed most; {left} more.
        </p>
      )}
    </div>
  );
}

function BarLine({ at, zero, before }: Bar) {
  const span = (a: number, b: number) => ({ x: 100 * Math.min(a, b), width: Math.max(0.8, 100 * Math.abs(a - b)) });
  return (
    <svg class="bar" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">
      <rect class="track" x="0" y="5.5" width="100" height="1" />
      <rect class="fill" y="3" height="6" {...span(zero, before)} />
      <rect class={at > before ? "more" : "less"} y="3" height="6" {...span(before, at)} />
      <rect class="mark" x={100 * before - 0.4} y="0" width="0.8" height="12" />
    </svg>
  );
}
