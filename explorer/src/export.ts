// Files to keep: pictures as PNG or SVG, the map as SVG, the table of factors as CSV.

import type { Bar } from "./bars";
import { className } from "./format";
import { LESS, MORE, paintDifference, paintSample, sizeOf } from "./paint";
import type { Run } from "./run";
import type { Numbers } from "./safetensors";

export type Format = "png" | "svg";

export interface Part {
  caption: string;
  values: Numbers | undefined;
  full?: number;
}

const GAP = 8;
const TEXT = 20;
const PER_ROW = 8;

function save(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Pictures side by side, on white whatever the page's theme. */
export function savePictures(run: Run, parts: readonly Part[], format: Format): void {
  const painted = parts.filter((part) => part.values).map((part) => ({ ...part, canvas: enlarged(run, part) }));
  if (!painted.length) return;
  const { width, height } = painted[0]!.canvas;
  const places = painted.map((_, i) => ({
    x: GAP + (i % PER_ROW) * (width + GAP),
    y: GAP + Math.floor(i / PER_ROW) * (height + TEXT + GAP),
  }));
  const [wide, high] = [
    places[Math.min(painted.length, PER_ROW) - 1]!.x + width + GAP,
    places.at(-1)!.y + height + TEXT,
  ];
  if (format === "svg") {
    const images = painted.map(({ canvas, caption }, i) => {
      const { x, y } = places[i]!;
      const image = `<image x="${x}" y="${y}" width="${width}" height="${height}" href="${canvas.toDataURL()}"/>`;
      return `${image}<text x="${x}" y="${y + height + 14}">${escape(caption)}</text>`;
    });
    save("cospike.svg", svg(wide, high, images.join("\n")));
    return;
  }
  const sheet = makeCanvas(wide, high);
  const context = sheet.getContext("2d")!;
  context.fillStyle = "#fff";
  context.fillRect(0, 0, wide, high);
  context.fillStyle = "#000";
  context.font = "13px sans-serif";
  painted.forEach(({ canvas, caption }, i) => {
    const { x, y } = places[i]!;
    context.drawImage(canvas, x, y);
    context.fillText(caption, x, y + height + 14, width);
  });
  sheet.toBlob((blob) => blob && save("cospike.png", blob));
}

/** A picture of about 170 pixels, each entry a square; other samples are drawn at that size. */
function enlarged(run: Run, { values, full }: Part): HTMLCanvasElement {
  const { width, height } = sizeOf(run);
  const zoom = Math.max(1, Math.round(168 / Math.max(width, height)));
  const at = run.view === "images" ? 1 : zoom;
  const painted = makeCanvas(at * width, at * height);
  if (full === undefined) paintSample(run, painted, values!);
  else paintDifference(run, painted, values!, full);
  const large = makeCanvas(zoom * width, zoom * height);
  const context = large.getContext("2d")!;
  context.imageSmoothingEnabled = false;
  context.drawImage(painted, 0, 0, large.width, large.height);
  return large;
}

function makeCanvas(width: number, height: number): HTMLCanvasElement {
  return Object.assign(document.createElement("canvas"), { width, height });
}

/** Bars with their names and numbers. */
export function saveBars(bars: readonly Bar[], format: Format): void {
  const [left, wide, row] = [16 + 7 * Math.max(...bars.map((bar) => bar.name.length), 4), 240, 20];
  const lines = bars.map((bar, i) => {
    const y = GAP + i * row;
    const span = (a: number, b: number, fill: string): string => {
      const [x, width] = [left + wide * Math.min(a, b), Math.max(1, wide * Math.abs(a - b))];
      return `<rect x="${x.toFixed(1)}" y="${y + 4}" width="${width.toFixed(1)}" height="10" fill="${fill}"/>`;
    };
    const texts = [bar.given, bar.text, bar.change].map(
      (text, j) => `<text x="${left + wide + 70 * (j + 1)}" y="${y + 13}" text-anchor="end">${escape(text)}</text>`,
    );
    const name = `<text x="${left - 8}" y="${y + 13}" text-anchor="end">${escape(bar.name)}</text>`;
    const colour = `rgb(${(bar.at > bar.before ? MORE : LESS).join(",")})`;
    return [name, span(bar.zero, bar.before, "#8b949e"), span(bar.before, bar.at, colour), ...texts].join("");
  });
  const heads = ["sample", "yours", "change"].map(
    (text, j) =>
      `<text x="${left + wide + 70 * (j + 1)}" y="${GAP + bars.length * row + 13}" text-anchor="end">${text}</text>`,
  );
  const [width, height] = [left + wide + 220, 2 * GAP + (bars.length + 1) * row];
  const picture = svg(width, height, [...lines, ...heads].join("\n"));
  if (format === "svg") save("cospike.svg", picture);
  else void saveAsPng(picture, width, height);
}

async function saveAsPng(picture: Blob, width: number, height: number): Promise<void> {
  const image = new Image();
  image.src = URL.createObjectURL(picture);
  await image.decode();
  const canvas = makeCanvas(2 * width, 2 * height);
  canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(image.src);
  canvas.toBlob((blob) => blob && save("cospike.png", blob));
}

export function saveMap(run: Run): void {
  const [cell, left, top] = [18, 8 + 7 * Math.max(...run.order.map((label) => className(run, label).length), 1), 24];
  const parts = run.order.flatMap((label, i) => [
    `<text x="${left - 6}" y="${top + i * cell + 13}" text-anchor="end">${escape(className(run, label))}</text>`,
    ...run.used.map((latent, j) => {
      const share = run.activeByClass.row(label)[latent]!;
      const at = `x="${left + j * cell}" y="${top + i * cell}" width="${cell - 1}" height="${cell - 1}"`;
      return `<rect ${at} fill="#1f6fb2" fill-opacity="${(share || 0).toFixed(3)}" stroke="#dde1e6"/>`;
    }),
  ]);
  const heads = run.used.map(
    (latent, j) => `<text x="${left + (j + 0.5) * cell}" y="${top - 6}" text-anchor="middle">${latent}</text>`,
  );
  const size: [number, number] = [left + run.used.length * cell + 8, top + run.order.length * cell + 8];
  save("cospike-map.svg", svg(...size, [...heads, ...parts].join("\n")));
}

/** The table of factors; no cell is a formula to a spreadsheet. */
export function saveFactors(run: Run): void {
  save("cospike-factors.csv", new Blob([factorsCsv(run)], { type: "text/csv" }));
}

export function factorsCsv(run: Run): string {
  const numbers = ["usage", "lift", "lift_low", "lift_high", "effect", "low", "high"] as const;
  const targeted = ["value", "low", "high"] as const;
  const heads = ["latent", "kind", "classes", "undecided", ...numbers, "goes with", "rho", "changes"];
  const tables = [
    ["", run.activeByClass],
    [" low", run.activeLow],
    [" high", run.activeHigh],
  ] as const;
  const rows = run.factors.map((factor) => [
    String(factor.latent),
    factor.kind,
    factor.classes.map((label) => className(run, label)).join("; "),
    factor.undecided.join("; "),
    ...numbers.map((name) => (factor[name] === null ? "" : factor[name].toFixed(4))),
    factor.goes_with?.attribute ?? "",
    factor.goes_with?.rho.toFixed(4) ?? "",
    factor.changes ?? "",
    ...targeted.map((name) => factor.targeted?.[name].toFixed(4) ?? ""),
    ...run.class_names.flatMap((_, label) => tables.map(([, table]) => table.row(label)[factor.latent]!.toFixed(4))),
  ]);
  const byClass = run.class_names.flatMap((name) => tables.map(([end]) => `P(active | ${name})${end}`));
  const all = [[...heads, "targeted", "targeted low", "targeted high", ...byClass], ...rows];
  return all.map((row) => row.map(csvCell).join(",")).join("\n") + "\n";
}

/** As `cospike._text.cell`: what would start a formula has an apostrophe before it. */
export function csvCell(text: string): string {
  const number = /^-?[\d.]+(e[+-]?\d+)?$/i.test(text);
  const safe = !number && /^[ \u00a0\ufeff]*[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function svg(width: number, height: number, content: string): Blob {
  const head = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`;
  const style = `font-family="sans-serif" font-size="11" image-rendering="pixelated"`;
  const ground = `<rect width="100%" height="100%" fill="#fff"/>`;
  return new Blob([`${head} ${style}>\n${ground}\n${content}\n</svg>\n`], { type: "image/svg+xml" });
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign]!);
}
