// Builds the page's template, one file: src/ as one script, its style, and the ONNX Runtime, under a strict policy.
//
// What `cospike explore` adds later, a run and its decoder, goes into elements of type text/plain, which no browser
// runs: so the hashes of the policy are those of the template.

import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";

const here = dirname(fileURLToPath(import.meta.url));
const target = resolve(here, process.argv[2] ?? "../src/cospike/static/explorer.html");

const { output } = await build({
  root: here,
  configFile: false,
  logLevel: "warn",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    write: false,
    target: "es2022",
    modulePreload: false,
    cssCodeSplit: false,
    rolldownOptions: {
      input: resolve(here, "src/main.tsx"),
      output: { format: "iife" },
      transform: { define: { "import.meta": "{}" } }, // where the runtime would look for files beside it
    },
  },
});
const scripts = output.filter((part) => part.type === "chunk");
if (scripts.length !== 1) throw new Error(`one script was expected, got ${scripts.map((part) => part.fileName)}`);
const style = output
  .filter((part) => part.fileName.endsWith(".css"))
  .map((part) => part.source)
  .join("\n");

// What would end the script element early, inside a string of it, means the same with a backslash.
const script = scripts[0].code.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
if (style.includes("</style")) throw new Error("the style would end its own element");

const notice = await readFile(resolve(here, "../NOTICE"), "utf8"); // of what is bundled, which its licences ask for
const runtime = await readFile(resolve(here, "node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm"));
const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
const policy = [
  "default-src 'none'",
  `script-src ${hash(script)} 'wasm-unsafe-eval'`,
  `style-src ${hash(style)}`,
  "img-src data: blob:",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

const page = `<!DOCTYPE html>
<!--
${notice}-->
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>cospike explorer</title>
<style>${style}</style>
</head>
<body>
<main id="app"><p class="loading" role="status">Unpacking the model …</p></main>
<noscript><p>This page computes: it needs JavaScript.</p></noscript>
<script type="text/plain" id="run"></script>
<script type="text/plain" id="decoder"></script>
<script type="text/plain" id="runtime">${gzipSync(runtime, { level: 9 }).toString("base64")}</script>
<script>${script}</script>
</body>
</html>
`;
await mkdir(dirname(target), { recursive: true });
await writeFile(`${target}.tmp`, page);
await rename(`${target}.tmp`, target);
console.log(`${target}: ${(page.length / 1e6).toFixed(1)} MB`);
