// Numbers as they are read.

import type { Factor, Run } from "./run";

export function fixed(value: number | null | undefined, digits = 2): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

export function signed(value: number, digits = 2): string {
  const text = fixed(value, digits);
  return value > 0 && Number(value.toFixed(digits)) !== 0 ? `+${text}` : text;
}

export function percent(share: number): string {
  return Number.isFinite(share) ? `${fixed(100 * share, 0)} %` : "–";
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}

export function className(run: Run, label: number): string {
  return label < 0 ? "no class" : run.class_names[label]!;
}

/** Whom a latent serves, in a few words. */
export function served(run: Run, factor: Factor): string {
  const names = factor.classes.map((label) => className(run, label));
  if (!names.length) return factor.kind === "dead" ? "not in use" : "used by no class in particular";
  if (names.length === run.class_names.length && names.length > 1) return `used by all ${names.length} classes`;
  if (names.length > 6) return `used by ${names.slice(0, 5).join(", ")} and ${names.length - 5} more`;
  return `used by ${names.join(", ")}`;
}

/** Where the latent stands in the data, as the evidence has it. */
export function evidence(run: Run, factor: Factor): string {
  const parts: string[] = [];
  if (factor.goes_with) {
    parts.push(`goes with ${spaced(factor.goes_with.attribute)} (ρ ${signed(factor.goes_with.rho)})`);
  }
  if (factor.changes) parts.push(`changes ${factor.changes}`);
  if (factor.targeted) {
    const [value, low, high] = [factor.targeted.value, factor.targeted.low, factor.targeted.high].map(points);
    parts.push(
      `without it a supervised network loses ${value} points more in its classes than in others (95 %: ${low} … ${high})`,
    );
  }
  parts.push(`effect ${fixed(factor.effect, 1)} ${run.effect_unit}`);
  return parts.join("; ");
}

const points = (share: number): string => fixed(100 * share, 0);

/** How much more often it is on in its classes than in general; nothing where that says nothing. */
export function lift(factor: Factor): string {
  return factor.lift === null || !factor.classes.length || Math.abs(factor.lift - 1) < 0.05
    ? ""
    : fixed(factor.lift, 1);
}

/** What the samples leave open. */
export function doubt(factor: Factor): string {
  if (!factor.undecided.length) return "";
  const verb = factor.undecided.length === 1 ? "uses" : "use";
  return ` The samples do not decide whether ${factor.undecided.join(", ")} ${verb} it: its kind is a guess.`;
}

export function spaced(name: string): string {
  return name.replaceAll("_", " ");
}
