/** Durations as the project file writes them: `500ms`, `30s`, `5m`, `1h`, `30d`. */

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const durationPattern = /^(\d{1,15})(ms|s|m|h|d)$/;
const DAYS_MAX = 36_500;

/** Milliseconds of a positive duration of at most 100 years; else a sentence that says what is wrong. */
export function parseDuration(text: string): number | string {
  const match = durationPattern.exec(text);
  if (match === null) return `"${text}" is not a duration; write it like 500ms, 30s, 5m, 1h or 30d`;
  const durationMs = Number(match[1]) * unitMs[match[2] as keyof typeof unitMs];
  if (durationMs === 0) return 'must be longer than zero';
  if (durationMs > DAYS_MAX * unitMs.d) return `must be at most ${DAYS_MAX}d`;
  return durationMs;
}

/** A duration as the project file writes it, in the largest unit that fits: `30d`, not `2592000s`. */
export function formatDuration(durationMs: number): string {
  const units = Object.entries(unitMs).toReversed();
  const [name, size] = units.find(([, each]) => durationMs % each === 0) ?? ['ms', 1];
  return `${durationMs / size}${name}`;
}
