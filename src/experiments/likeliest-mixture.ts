const ROUNDS_MAX = 2000;
const CHANGE_MIN = 1e-10;

/**
 * The mixture of distributions under which counts are likeliest, by expectation and maximization.
 *
 * @param parts the distributions, each with one probability for each count
 */
export function likeliestMixture(parts: readonly (readonly number[])[], counts: readonly number[]): number[] {
  let weights = parts.map(() => 1 / parts.length);
  const total = counts.reduce((sum, count) => sum + count, 0);
  for (let round = 0; round < ROUNDS_MAX && parts.length > 1 && total > 0; round++) {
    const mixed = mixtureOf(parts, weights);
    const next = normalized(
      parts.map((part, i) => {
        const explained = counts.reduce((sum, count, arm) => {
          const chance = mixed[arm] as number;
          return chance > 0 ? sum + (count * (part[arm] as number)) / chance : sum;
        }, 0);
        return ((weights[i] as number) * explained) / total;
      }),
    );
    const change = Math.max(...next.map((weight, i) => Math.abs(weight - (weights[i] as number))));
    weights = next;
    if (change < CHANGE_MIN) break;
  }
  return mixtureOf(parts, weights);
}

function mixtureOf(parts: readonly (readonly number[])[], weights: readonly number[]): number[] {
  const [first = []] = parts;
  return first.map((_, arm) =>
    parts.reduce((sum, part, i) => sum + (weights[i] as number) * (part[arm] as number), 0),
  );
}

function normalized(weights: readonly number[]): number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => (sum > 0 ? weight / sum : 1 / weights.length));
}
