/** The prediction log of an endpoint, put together from a checked project file. */
import type { PredictionLogSettings, RequestField } from './project.ts';
import type { PredictionLogSpec } from './prediction-log-schema.ts';
import type { Report } from './report.ts';
import type { SourceFile } from './source-file.ts';
import { suggestName } from './suggestion.ts';

const lists = ['hash', 'leave_out'] as const;

/** A field that is to be protected and is not found is a mistake: it would be kept as it is. */
export function buildPredictionLog(
  spec: PredictionLogSpec,
  endpoint: string,
  request: readonly RequestField[],
  source: SourceFile,
  report: Report,
): PredictionLogSettings {
  const known = request.map((field) => field.name);
  const placeOf = new Map<string, string>();
  for (const list of lists) {
    for (const [i, name] of spec[list].entries()) {
      const path = ['endpoints', endpoint, 'log', list, i];
      const before = placeOf.get(name);
      if (before !== undefined) {
        const message = `names ${name}, which ${before} names already`;
        report.add(source, path, message, 'a field is kept, hashed or left out');
      } else if (
        !known.includes(name) &&
        !report.isTouched(source, ['endpoints', endpoint, 'request', name])
      ) {
        const message = `names "${name}", which is not a request field`;
        report.add(source, path, message, suggestName(name, known, 'request fields'));
      }
      placeOf.set(name, list);
    }
  }
  return {
    sample: spec.sample,
    featuresSample: spec.features_sample,
    hash: spec.hash,
    leaveOut: spec.leave_out,
  };
}
