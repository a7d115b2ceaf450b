// Reads the safetensors format: a length, a header in JSON, and the numbers.
// https://github.com/huggingface/safetensors#format

export type Numbers = Float32Array | Int32Array | Uint8Array | Int8Array;

export interface Tensor {
  shape: number[];
  data: Numbers;
}

const TYPES = { F32: Float32Array, I32: Int32Array, U8: Uint8Array, I8: Int8Array };

export interface Tensors {
  metadata: Record<string, string>;
  tensors: Map<string, Tensor>;
}

export function parseSafetensors(bytes: Uint8Array<ArrayBuffer>): Tensors {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = bytes.length < 8 ? Infinity : 8 + Number(view.getBigUint64(0, true));
  if (start > bytes.length) throw new Error("it is no safetensors file");
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start))) as Record<string, unknown>;
  const tensors = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const {
      dtype,
      shape,
      data_offsets: [from, to],
    } = entry as {
      dtype: keyof typeof TYPES;
      shape: number[];
      data_offsets: [number, number];
    };
    const Type = TYPES[dtype];
    if (!Type) throw new Error(`${name} has numbers of type ${dtype}, which this page does not read`);
    const copy = bytes.slice(start + from, start + to); // aligned, whatever the header's length
    if (copy.byteLength !== Type.BYTES_PER_ELEMENT * shape.reduce((a, b) => a * b, 1)) {
      throw new Error(`${name} is not of the size that it says`);
    }
    tensors.set(name, { shape, data: new Type(copy.buffer) });
  }
  return { metadata: (header["__metadata__"] ?? {}) as Record<string, string>, tensors };
}
