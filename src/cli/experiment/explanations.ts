/** One sentence for each number of the report, for somebody who is no statistician. */

export interface Explained {
  readonly label: string;
  readonly sentence: string;
}

export const armColumns: readonly Explained[] = [
  { label: 'share', sentence: 'How many of the units of the experiment this arm is meant to get now.' },
  { label: 'units', sentence: 'How many units (people, mostly) are counted in this arm.' },
  {
    label: 'drawn',
    sentence: 'How many units came into this arm by chance, each counted once, where it was first.',
  },
  {
    label: 'expected',
    sentence: 'How many that would be if the split were exactly what was asked for, version by version.',
  },
  { label: 'predictions', sentence: 'How often this arm answered the units that are counted.' },
  {
    label: 'with outcome',
    sentence:
      'For how many of these predictions it was told what came of them; it should be alike in all arms.',
  },
  {
    label: 'crossed',
    sentence: 'Units of this arm that were seen in another one later; they still count here.',
  },
  { label: 'bots', sentence: 'Units that say that they are no persons, and are left out.' },
];

export const valueColumns: readonly Explained[] = [
  { label: 'units', sentence: 'How many units have a value of this metric.' },
  {
    label: 'value',
    sentence: 'The metric of this arm; under several versions, as if each arm had the same share of each.',
  },
  { label: '… % likely', sentence: 'Where the true value of this arm most likely lies.' },
  {
    label: 'best',
    sentence: 'How likely it is that this arm is the best of all, if nothing was known before.',
  },
  {
    label: 'expected loss',
    sentence: 'How much of the metric is lost on average if this arm is chosen and another one is better.',
  },
];

/** Of a bandit. */
export const weightedColumns: readonly Explained[] = [
  {
    label: 'SNIPS',
    sentence:
      'The value that this arm would have had with all requests: outcomes that were unlikely to be here count more.',
  },
  {
    label: 'IPS',
    sentence: 'The same, divided by all requests instead of the sum of the weights; it varies more.',
  },
  { label: 'effective units', sentence: 'How many units without weights would say as much as these do.' },
];

export const contrastColumns: readonly Explained[] = [
  { label: 'difference', sentence: 'The value of this arm minus that of the control.' },
  { label: 'in %', sentence: 'The same, in percent of the control.' },
  {
    label: 'one look',
    sentence: 'Where the true difference lies, if you decided before how long to wait and look only once.',
  },
  {
    label: 'p',
    sentence:
      'How likely a difference as large as this is by chance alone, if there is none: small means hard to explain by chance.',
  },
  {
    label: 'always valid',
    sentence:
      'Where the true difference lies, however often you look and whenever you stop; wider, for that freedom.',
  },
  {
    label: 'corrected p',
    sentence:
      'The always valid p, raised because several metrics and arms are compared at once; this one decides.',
  },
];

export const splitNumbers: readonly Explained[] = [
  {
    label: 'p however often one looks',
    sentence:
      'How surprising a split as uneven as this is, if everything works, with an answer that allows to look every day; below 0.001 something is wrong.',
  },
  {
    label: 'p at one look',
    sentence:
      'How likely a split as uneven as this is by chance, for who looks only once; shown to know, nothing follows from it.',
  },
];

export const chartSentences = {
  units: 'How many units each arm had over time. Lines that part, where shares are equal, are worth a look.',
  posterior:
    'What each arm is truly worth, as far as is known: the higher the curve, the likelier. Curves that hardly overlap are arms that differ.',
  running:
    'The difference to the control, and what it may be, in the order in which units came in. When the area leaves the dashed line at 0, there is a difference.',
} as const;
