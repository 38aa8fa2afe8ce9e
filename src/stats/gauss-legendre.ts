/** Nodes and weights of the Gauss-Legendre rule on -1 to 1, by Newton's method on the Legendre polynomial. */
function legendreRule(order: number): readonly (readonly [node: number, weight: number])[] {
  return Array.from({ length: order }, (_, index) => {
    let node = Math.cos((Math.PI * (index + 0.75)) / (order + 0.5));
    let slope = 1;
    for (let step = 0; step < 10; step++) {
      let value = 1;
      let previous = 0;
      for (let degree = 1; degree <= order; degree++) {
        [value, previous] = [((2 * degree - 1) * node * value - (degree - 1) * previous) / degree, value];
      }
      slope = (order * (node * value - previous)) / (node * node - 1);
      node -= value / slope;
    }
    return [node, 2 / ((1 - node * node) * slope * slope)] as const;
  });
}

const rule = legendreRule(16);

/**
 * Calls `visit` with points and weights so that the sum of weight * f(point) is the integral of f over `from` to
 * `to`: exact for polynomials up to degree 31, and to about 1e-12 where f is smooth on the scale of the panel.
 */
export function visitPanel(from: number, to: number, visit: (point: number, weight: number) => void): void {
  const middle = (from + to) / 2;
  const half = (to - from) / 2;
  for (const [node, weight] of rule) visit(middle + half * node, half * weight);
}
