/** A logged prediction as JSON, by the names that it has over HTTP. All keys are there in every line. */
import type {
  Feedback,
  JoinedPrediction,
  LoggedFeatures,
  LoggedRow,
} from '../../events/joined-predictions.ts';
import type { JsonObject } from '../../project/json-text.ts';

export function predictionJson(prediction: JoinedPrediction): JsonObject {
  const { requestId, timeMs, asOfMs, latencyMs, rows, feedback } = prediction;
  const { endpoint, variant, model, version, propensity } = prediction;
  return {
    request_id: requestId,
    time: timeText(timeMs),
    as_of: asOfMs === undefined ? null : timeText(asOfMs),
    endpoint,
    variant,
    model,
    version,
    propensity,
    latency_ms: latencyMs,
    rows: rows.map(rowJson),
    feedback: feedback.length === 0 ? null : feedback.map(feedbackJson),
  };
}

function rowJson({ fields, keys, features, outputs }: LoggedRow): JsonObject {
  return { fields, keys, features: features === undefined ? null : featuresJson(features), outputs };
}

/** By binding and view, as in a trace. */
function featuresJson(features: readonly LoggedFeatures[]): JsonObject {
  return Object.fromEntries(
    features.map(({ binding, view, ageMs, values }) => [
      `${binding}.${view}`,
      { age_ms: ageMs ?? null, values },
    ]),
  );
}

function feedbackJson({ id, row, label, reward, click, timeMs }: Feedback): JsonObject {
  return {
    id,
    row: row ?? null,
    label: label ?? null,
    reward: reward ?? null,
    click: click ?? null,
    time: timeText(timeMs),
  };
}

function timeText(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
