// The model's decoder, run by ONNX Runtime Web on one thread: codes in, means of their likelihoods out.

import * as ort from "onnxruntime-web/wasm";

export type Code = Float32Array;
export type Sample = Float32Array;

export interface Decoder {
  /** The samples of some codes; null if they are not wanted any more once it is their turn. */
  decode(codes: readonly Code[], wanted?: () => boolean): Promise<Sample[] | null>;
}

export async function makeDecoder(
  runtime: Uint8Array<ArrayBuffer>,
  model: Uint8Array<ArrayBuffer>,
  nLatents: number,
): Promise<Decoder> {
  ort.env.wasm.wasmBinary = runtime.buffer;
  ort.env.wasm.numThreads = 1; // more need headers that a file from a disk does not have
  ort.env.wasm.proxy = false;
  const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] }).catch((error: unknown) => {
    console.error(error);
    throw new Error("its decoder, or what runs it, is damaged");
  });
  let last: Promise<unknown> = Promise.resolve(); // a session runs one batch at a time

  async function run(codes: readonly Code[]): Promise<Sample[]> {
    if (!codes.length) return [];
    const flat = new Float32Array(codes.length * nLatents);
    codes.forEach((code, i) => flat.set(code, i * nLatents));
    const { mean } = await session.run({ code: new ort.Tensor("float32", flat, [codes.length, nLatents]) });
    const data = mean!.data as Float32Array;
    const size = data.length / codes.length;
    return codes.map((_, i) => data.slice(i * size, (i + 1) * size));
  }

  return {
    decode(codes, wanted = () => true) {
      const turn = last.then(() => (wanted() ? run(codes) : null));
      last = turn.catch(() => undefined);
      return turn;
    },
  };
}
