// Numbers that come again for the same seed: splitmix32 (Steele, Lea, Flood, OOPSLA 2014), and normal ones by Box-Muller.

export interface Random {
  uniform(): number;
  normal(): number;
}

export function makeRandom(seed: number): Random {
  let state = Math.imul(seed + 1, 0x9e3779b9) | 0;
  const uniform = (): number => {
    state = (state + 0x9e3779b9) | 0;
    let t = state ^ (state >>> 16);
    t = Math.imul(t, 0x21f0aaad);
    t = Math.imul(t ^ (t >>> 15), 0x735a2d97);
    return ((t ^ (t >>> 15)) >>> 0) / 2 ** 32;
  };
  return {
    uniform,
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  };
}
