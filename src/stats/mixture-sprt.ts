import { requireFinite, requirePositive, requireRange } from './require-range.ts';

export interface MixtureSprt {
  /** ln of how much likelier the estimate is under the mixture of effects than under none. */
  readonly logLikelihoodRatio: number;
  /** 1 / likelihood ratio, at most 1: valid at whatever time one looks. */
  readonly p: number;
  /** The least p so far: without an effect it ever falls below alpha with a chance of at most alpha. */
  readonly everP: number;
}

/**
 * The mixture sequential probability ratio test (Robbins; Johari, Pekelis and Walsh 2015) of an effect x against 0: L
 * = sqrt(V / (V + t)) exp(x^2 t / (2 V (V + t))), where V is the variance of the estimate and t that of the effects
 * mixed over.
 *
 * @param estimate in the unit of the metric
 * @param variance of the estimate, so s^2 / n for a mean
 * @param mixingVariance the squared size of effects that are looked for; to be fixed before the first look
 * @param previousP everP of the look before, if there was one
 */
export function mixtureSprt(
  estimate: number,
  variance: number,
  mixingVariance: number,
  previousP = 1,
): MixtureSprt {
  requireFinite('estimate', estimate);
  requirePositive('variance', variance);
  requirePositive('mixingVariance', mixingVariance);
  requireRange('previousP', previousP, 0, 1);
  const total = variance + mixingVariance;
  const logLikelihoodRatio =
    (estimate * estimate * mixingVariance) / (2 * variance * total) -
    Math.log1p(mixingVariance / variance) / 2;
  const p = Math.min(1, Math.exp(-logLikelihoodRatio));
  return { logLikelihoodRatio, p, everP: Math.min(previousP, p) };
}
