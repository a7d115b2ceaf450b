// What the page carries with it: gzipped, in base64, in elements that no browser runs.

export async function unpack(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const binary = atob(text.trim());
  const packed = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) packed[i] = binary.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The content of the element `id` of this page, which then forgets it: it is megabytes. */
export async function take(id: string): Promise<Uint8Array<ArrayBuffer>> {
  const element = document.getElementById(id);
  if (!element?.textContent) throw new Error(`This page has no ${id}. It is a template: cospike explore RUN fills it.`);
  const text = element.textContent;
  element.remove();
  return unpack(text);
}
