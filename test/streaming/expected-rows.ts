/** The rows of the flights' views as a scan over all events has them, and what compares them with what is served. */
import type { AcceptedEvent } from '../../src/events/event.ts';
import type { FeatureView, Project } from '../../src/project/project.ts';
import type { Streaming } from '../../src/streaming/open-streaming.ts';
import { expectRow } from './expect-row.ts';
import { airports, flightProject, flightViews } from './flight-stream.ts';
import { referenceRow } from './reference.ts';
import type { ReferenceRow, SampleEvent } from './reference.ts';

interface ExpectedRow {
  readonly view: string;
  readonly key: string;
  readonly asOfMs: number;
  readonly isHistorical: boolean;
  readonly row: ReferenceRow | null;
}

/** Every row, at the end of the stream and within the allowed lateness before it. */
export function expectedRows(
  events: readonly AcceptedEvent[],
  views: Project['featureViews'] = flightProject.featureViews,
): ExpectedRow[] {
  const samples = events.map(({ values, timeMs }, offset): SampleEvent => ({ values, timeMs, offset }));
  const lastMs = Math.max(...events.map(({ timeMs }) => timeMs));
  const { byOrigin, byDestination, overall } = flightViews;
  const named = airports.flatMap((key) => [
    { view: byOrigin.name, key, own: samples.filter(({ values }) => values[0] === key) },
    { view: byDestination.name, key, own: samples.filter(({ values }) => values[1] === key) },
  ]);
  const moments = [lastMs, lastMs + 1_800_000, lastMs - 3_000_000];
  return [...named, { view: overall.name, key: '', own: samples }].flatMap(({ view, key, own }) =>
    moments.flatMap((asOfMs) =>
      [false, true].map((isHistorical) => {
        const row = referenceRow(views.get(view) as FeatureView, own, asOfMs, isHistorical);
        return { view, key, asOfMs, isHistorical, row };
      }),
    ),
  );
}

export async function expectRows(
  { source }: Pick<Streaming, 'source'>,
  expected: readonly ExpectedRow[],
  views: Project['featureViews'] = flightProject.featureViews,
): Promise<void> {
  for (const { view: name, key, asOfMs, isHistorical, row } of expected) {
    const view = views.get(name) as FeatureView;
    const found = source.get(view, key, asOfMs, isHistorical);
    const [read = null] =
      found === undefined ? await source.read([{ view, key }], asOfMs, isHistorical) : [found];
    expectRow(view, read, row);
  }
}
