// What the page carries with it: gzipped, in base64, in elements that no browser runs.

export async function unpack(text: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const binary = atob(text.trim());
    const packed = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) packed[i] = binary.charCodeAt(i);
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch {
    throw new Error("a part of it is damaged");
  }
}

/** Why a page could not be read, and what helps. */
export function reason(error: unknown): string {
  const told = (error instanceof Error ? error.message : String(error)).replace(/\.$/, "");
  return `${told}. It may have been cut on its way: send it again, or write it again with cospike explore.`;
}

/** The content of the element `id` of this page, which then forgets it: it is megabytes. */
export async function take(id: string): Promise<Uint8Array<ArrayBuffer>> {
  const element = document.getElementById(id);
  if (!element?.textContent) throw new Error(`This page has no ${id}. It is a template`);
  const text = element.textContent;
  element.remove();
  return unpack(text);
}
