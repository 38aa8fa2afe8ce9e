/** What is typed about a key, as values. */
import { InvalidArgumentError } from 'commander';
import { RATE_MAX, isKeyName, isScope } from '../../access/key-records.ts';
import { scopes } from '../../access/scope.ts';
import type { Scope } from '../../access/scope.ts';
import { suggestName } from '../../project/suggestion.ts';

/** @throws InvalidArgumentError */
export function nameArgument(text: string): string {
  if (isKeyName(text)) return text;
  throw new InvalidArgumentError('Write a name of at most 100 characters, on one line.');
}

/** @throws InvalidArgumentError */
export function scopesArgument(text: string): readonly Scope[] {
  if (text === 'all') return scopes;
  const names = new Set(text.split(',').map((name) => name.trim()));
  return [...names].map((name) => {
    if (isScope(name)) return name;
    throw new InvalidArgumentError(`"${name}" is unknown; ${suggestName(name, scopes, 'scopes')}.`);
  });
}

/**
 * Calls a second of `100/s`.
 * @throws InvalidArgumentError
 */
export function rateArgument(text: string): number {
  const [, digits] = /^(\d{1,7}(?:\.\d{1,3})?)\/s$/.exec(text) ?? [];
  const perSecond = Number(digits);
  if (perSecond > 0 && perSecond <= RATE_MAX) return perSecond;
  throw new InvalidArgumentError(`Write calls a second like 100/s or 0.5/s, of at most ${RATE_MAX}/s.`);
}

/** @throws InvalidArgumentError */
export function burstArgument(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text) && Number(text) <= RATE_MAX) return Number(text);
  throw new InvalidArgumentError(`Write a whole number from 1 to ${RATE_MAX}.`);
}
