/** The section `log` of an endpoint: which of its predictions are kept, and what of them. */
import { z } from 'zod';

export interface PredictionLogSpec {
  readonly sample: number;
  readonly features_sample: number;
  readonly hash: readonly string[];
  readonly leave_out: readonly string[];
}

const share = z.number().min(0).max(1);
const FEATURES_SAMPLE = 0.01;

export const predictionLog: z.ZodType<PredictionLogSpec> = z.strictObject({
  sample: share.default(1).describe('The share of the requests that are logged: 0 = none, 1 = all.'),
  features_sample: share
    .default(FEATURES_SAMPLE)
    .describe('The share of the logged requests that are kept with the features that were read.'),
  hash: z
    .array(z.string())
    .default([])
    .describe('Request fields that are kept as a keyed hash, in entity keys as well.'),
  leave_out: z
    .array(z.string())
    .default([])
    .describe('Request fields that are not kept, nor are entity keys that they are part of.'),
});

/** What holds for an endpoint that says nothing. */
export function defaultPredictionLog(hasEvents: boolean): PredictionLogSpec {
  return { ...predictionLog.parse({}), sample: hasEvents ? 1 : 0 };
}
