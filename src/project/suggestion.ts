/** Guesses at what a wrong name was meant to be. Runs only where a mistake is reported. */
import { distance } from 'fastest-levenshtein';

/** Longer names get no guess: the comparison is quadratic, and callers of the server choose the names. */
const NAME_LENGTH_MAX = 128;
const LISTED_MAX = 20;

/**
 * The candidate nearest to a wrong name, or undefined when none is near: a third of its letters may differ, and at
 * least one. Upper and lower case count as equal.
 */
export function closestName(name: string, candidates: Iterable<string>): string | undefined {
  if (name.length > NAME_LENGTH_MAX) return undefined;
  const wanted = name.toLowerCase();
  let closest: string | undefined;
  let fewest = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of candidates) {
    const edits = distance(wanted, candidate.toLowerCase());
    if (edits >= fewest || edits >= candidate.length) continue;
    closest = candidate;
    fewest = edits;
  }
  return closest;
}

/** `did you mean "x"?` when a candidate is near, else the list of what exists: `entities are a, b`. */
export function suggestName(name: string, candidates: Iterable<string>, plural: string): string {
  const known = [...candidates];
  const closest = closestName(name, known);
  if (closest !== undefined) return `did you mean "${closest}"?`;
  if (known.length === 0) return `there are no ${plural}`;
  const listed = known.slice(0, LISTED_MAX).join(', ');
  return `${plural} are ${listed}${known.length > LISTED_MAX ? ` and ${known.length - LISTED_MAX} more` : ''}`;
}
