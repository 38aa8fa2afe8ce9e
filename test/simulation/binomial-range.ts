export interface CountRange {
  readonly least: number;
  readonly most: number;
}

/** How often something of this chance happens in n independent trials, all but the unlikeliest on both sides. */
export function binomialRange(n: number, chance: number, unlikely = 0.005): CountRange {
  const chances = Array.from({ length: n + 1 }, (_, k) => Math.exp(logChance(n, chance, k)));
  let below = 0;
  let least = 0;
  while (below + (chances[least] as number) < unlikely) below += chances[least++] as number;
  let above = 0;
  let most = n;
  while (above + (chances[most] as number) < unlikely) above += chances[most--] as number;
  return { least, most };
}

function logChance(n: number, chance: number, k: number): number {
  let log = k * Math.log(chance) + (n - k) * Math.log(1 - chance);
  for (let i = 1; i <= k; i++) log += Math.log((n - k + i) / i);
  return log;
}
