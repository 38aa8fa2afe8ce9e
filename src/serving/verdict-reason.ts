/** A verdict in a sentence, for the audit log and for people. */
import type { CanaryVerdict, GuardrailVerdict } from '../rollouts/judge.ts';

export function verdictReason({ verdict, guardrails, requests }: CanaryVerdict): string {
  const answered = `${requests.candidate} requests of the candidate, ${requests.baseline} of the baseline`;
  if (verdict === 'pass') return `all guardrails pass after ${answered}`;
  const deciding = guardrails.filter((each) => each.verdict === verdict);
  return `${deciding.map(guardrailSentence).join('; ')} (${answered})`;
}

/** `latency p99 ratio is 2.1 (1.8 to 2.6), at most 1.5 is allowed` */
export function guardrailSentence({ label, harm, limit, unit, verdict }: GuardrailVerdict): string {
  const figure = (value: number | undefined): string => (value === undefined ? '?' : shown(value));
  const bounds = `${figure(harm.lower)} to ${figure(harm.upper)}`;
  const allowed = `at most ${shown(limit)} is allowed`;
  const of = unit === 'ratio' ? `${label}, candidate by baseline,` : `${label}, candidate minus baseline,`;
  const waits = verdict === 'inconclusive' ? 'is not known well enough: ' : 'is ';
  return `${of} ${waits}${figure(harm.estimate)} (${bounds}), ${allowed}`;
}

function shown(value: number): string {
  return String(Number(value.toPrecision(3)));
}
