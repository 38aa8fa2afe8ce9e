/** A verdict in a sentence, for the audit log and for people. */
import type { CanaryVerdict, GuardrailVerdict } from '../rollouts/judge.ts';

export function verdictReason({ verdict, guardrails, requests }: CanaryVerdict): string {
  const answered = `${requests.candidate} requests of the candidate, ${requests.baseline} of the baseline`;
  if (verdict === 'pass') return `all guardrails pass after ${answered}`;
  const deciding = guardrails.filter((each) => each.verdict === verdict);
  return `${deciding.map(guardrailSentence).join('; ')} (${answered})`;
}

const compared = {
  error_rate: 'candidate minus baseline,',
  latency: 'candidate by baseline,',
  output: 'the distance of candidate and baseline',
  feedback: 'how much worse the candidate is',
  shadow_flips: 'the share of rows',
} as const;

/** `latency p99: candidate by baseline, is 2.1 (1.8 to 2.6), and 1.5 is allowed` */
export function guardrailSentence({ metric, label, harm, limit, verdict }: GuardrailVerdict): string {
  const figure = (value: number | undefined): string => (value === undefined ? '?' : shown(value));
  const bounds = `${figure(harm.lower)} to ${figure(harm.upper)}`;
  const waits = verdict === 'inconclusive' ? 'is not known well enough: ' : 'is ';
  const measured = `${compared[metric]} ${waits}${figure(harm.estimate)} (${bounds})`;
  return `${label}: ${measured}, and ${shown(limit)} is allowed`;
}

function shown(value: number): string {
  return String(Number(value.toPrecision(3)));
}
