// Samples as pixels: pictures, bars of a table's entries, or a line. Pure drawing on a canvas.

import type { Run } from "./run";
import type { Numbers } from "./safetensors";

/** Legible on white and on black, and told apart by the colour-blind (Okabe and Ito). */
export const LESS = [58, 134, 200] as const;
export const MORE = [213, 94, 0] as const;

export interface Painting {
  width: number;
  height: number;
  /** Whether a pixel is an entry of the sample, to be shown as a square. */
  pixels: boolean;
}

export function sizeOf(run: Run): Painting {
  if (run.view !== "images") return { width: 96, height: 64, pixels: false };
  return { width: run.shape[2]!, height: run.shape[1]!, pixels: Math.max(run.shape[1]!, run.shape[2]!) <= 64 };
}

/** A sample as it looks: `values` in units of the data, or bytes of a picture as the page carries them. */
export function paintSample(run: Run, canvas: HTMLCanvasElement, values: Numbers): void {
  if (run.view === "images") paintPixels(run, canvas, (entry) => byteOf(run, values, entry));
  else paintShape(run, canvas, values, null);
}

/** What one sample has more (orange) or less (blue) than another; opaque at `full`. */
export function paintDifference(run: Run, canvas: HTMLCanvasElement, values: Numbers, full: number): void {
  if (run.view !== "images") return paintShape(run, canvas, values, full);
  const [channels, height, width] = run.shape as [number, number, number];
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    let change = 0; // of the channel that changes most: a mean would hide that one colour took another's place
    for (let channel = 0; channel < channels; channel++) {
      const one = values[channel * width * height + i]!;
      if (Math.abs(one) > Math.abs(change)) change = one;
    }
    const value = change / full;
    image.data.set(value > 0 ? MORE : LESS, 4 * i);
    image.data[4 * i + 3] = Math.round(255 * Math.min(1, Math.abs(value)));
  }
  canvas.getContext("2d")!.putImageData(image, 0, 0);
}

function byteOf(run: Run, values: Numbers, entry: number): number {
  const value = values[entry]!;
  if (values instanceof Uint8Array) return value;
  const [low, high] = run.range;
  return Math.round(255 * Math.min(1, Math.max(0, (value - low) / Math.max(high - low, 1e-12))));
}

function paintPixels(run: Run, canvas: HTMLCanvasElement, byte: (entry: number) => number): void {
  const [channels, height, width] = run.shape as [number, number, number];
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let channel = 0; channel < 3; channel++) {
      image.data[4 * i + channel] = byte((channels === 3 ? channel : 0) * width * height + i);
    }
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d")!.putImageData(image, 0, 0);
}

/** Bars of a table's entries, or the line of a profile, in the colour of the text; bars of what changed. */
function paintShape(run: Run, canvas: HTMLCanvasElement, values: Numbers, full: number | null): void {
  const context = canvas.getContext("2d")!;
  const { width, height } = canvas;
  const entries = shownEntries(run);
  const scaled = entries.map((entry) => heightOf(run, values, entry, full));
  context.clearRect(0, 0, width, height);
  const ink = getComputedStyle(canvas).color;
  const y = (value: number): number => height / 2 - (height / 2 - 2) * value;
  if (run.view === "profile" && full === null && scaled.length > 1) {
    context.strokeStyle = ink;
    context.lineWidth = 1.5;
    context.beginPath();
    scaled.forEach((value, i) => context.lineTo((i / Math.max(1, scaled.length - 1)) * width, y(value)));
    context.stroke();
    return;
  }
  const step = width / scaled.length;
  scaled.forEach((value, i) => {
    if (full !== null && value === 0) return;
    context.fillStyle = full === null ? ink : `rgb(${(value > 0 ? MORE : LESS).join(" ")})`;
    context.fillRect(i * step, Math.min(y(0), y(value)), Math.max(1, step - 1), Math.max(1, Math.abs(y(value) - y(0))));
  });
}

const shown = new WeakMap<Run, number[]>();

/** The entries that a small picture shows: all, or the 48 that the latents change most. */
export function shownEntries(run: Run): number[] {
  const known = shown.get(run);
  if (known) return known;
  const all = Array.from({ length: run.size }, (_, entry) => entry);
  let chosen = all;
  if (run.view !== "profile" && run.size > 48) {
    const most = new Float32Array(run.size);
    for (const latent of run.used) {
      run.change.row(latent).forEach((value, entry) => {
        most[entry] = Math.max(most[entry]!, Math.abs(value) * run.changeScale[latent]!);
      });
    }
    chosen = all
      .sort((a, b) => most[b]! - most[a]!)
      .slice(0, 48)
      .sort((a, b) => a - b);
  }
  shown.set(run, chosen);
  return chosen;
}

/** An entry as a height in −1 … 1. */
function heightOf(run: Run, values: Numbers, entry: number, full: number | null): number {
  const value = values[entry]!;
  const clip = (x: number): number => Math.max(-1, Math.min(1, x));
  if (full !== null) return clip(value / full);
  if (run.view === "genes") return clip(Math.log2((value + 0.5) / (averages(run)[entry]! + 0.5)) / 4);
  if (run.view === "columns") return clip(isNumber(run, entry) ? value / 3 : value);
  const [low, high] = run.range;
  return clip((2 * (value - low)) / Math.max(high - low, 1e-12) - 1);
}

const averageOf = new WeakMap<Run, Float32Array>();

/** Of cells: the mean count of each gene, against which a cell is drawn. */
function averages(run: Run): Float32Array {
  const known = averageOf.get(run);
  if (known) return known;
  const { x, n } = run.samples;
  const means = new Float32Array(run.size);
  x.data.forEach((value, i) => (means[i % run.size]! += value / n));
  averageOf.set(run, means);
  return means;
}

function isNumber(run: Run, entry: number): boolean {
  return run.columns.some((column) => column.kind === "gaussian" && column.at[0] === entry);
}
