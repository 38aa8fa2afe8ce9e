/** The project of the tests of Feast's calls. */
import { entityOf, projectOf, viewOf } from './sample-project.ts';

const airport = entityOf('airport', { iata: 'string' });
const user = entityOf('user', { user_id: 'int64' });
const pair = entityOf('user_at_airport', { user_id: 'int64', iata: 'string' });
export const departures = viewOf(
  'departures',
  airport,
  { delay_mean: 'float64', flights: 'int64' },
  { ttlMs: 60_000 },
);
const profile = viewOf('airport_profile', airport, {
  state: 'string',
  flights: 'int64',
  opened: 'timestamp',
  embedding: 'float32[2]',
});
const bookings = viewOf('bookings', user, { count: 'int64' });
const visits = viewOf('visits', pair, { seen: 'bool' });
export const project = projectOf([departures, profile, bookings, visits], { rowsMax: 4 });
export const NOW = Date.parse('2001-03-09T14:05:00Z');
