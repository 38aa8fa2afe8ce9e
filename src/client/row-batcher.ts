/**
 * Predictions of single rows, joined: those that are asked for in one turn of JavaScript, of one endpoint and with one
 * context, share a request. A row that is refused is its caller's alone: the others are sent again without it.
 */
import { MillraceClientError } from './client-error.ts';
import type { WireValue } from './wire-value.ts';

type WireRow = Readonly<Record<string, WireValue>>;

export interface RowRequest {
  /** What rows must share to be joined. */
  readonly group: string;
  readonly row: WireRow;
}

export interface RowAnswer {
  readonly answer: Readonly<Record<string, unknown>>;
  /** Of this row in the answer's request. */
  readonly index: number;
}

interface WaitingRow {
  readonly row: WireRow;
  readonly resolve: (answer: RowAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/** Sends rows of one group as one request. */
export type SendRows = (rows: readonly WireRow[]) => Promise<Readonly<Record<string, unknown>>>;

export interface RowBatcher {
  /** @param send of the first row of the group is used for all that join it */
  predict(request: RowRequest, send: SendRows): Promise<RowAnswer>;
}

/** What one row, or how many there are, may be at fault for. */
const splitCodes: ReadonlySet<string> = new Set([
  'KEY_TOO_LONG',
  'MODEL_FAILED',
  'TOO_MANY_ROWS',
  'BODY_TOO_LARGE',
]);
const rowPath = /^rows\[(\d+)\]/;

/** @param rowsMax of one request */
export function createRowBatcher(rowsMax: number): RowBatcher {
  const groups = new Map<string, WaitingRow[]>();

  function openGroup(group: string, send: SendRows): WaitingRow[] {
    const joined: WaitingRow[] = [];
    groups.set(group, joined);
    // Behind the microtasks that are due, which may ask for more.
    void Promise.resolve().then(() =>
      queueMicrotask(() => {
        if (groups.get(group) === joined) groups.delete(group);
        void sendJoined(joined, send);
      }),
    );
    return joined;
  }

  return {
    predict: async ({ group, row }, send) =>
      new Promise((resolve, reject) => {
        const joined = groups.get(group) ?? openGroup(group, send);
        joined.push({ row, resolve, reject });
        if (joined.length >= rowsMax) groups.delete(group);
      }),
  };
}

async function sendJoined(joined: readonly WaitingRow[], send: SendRows): Promise<void> {
  try {
    const answer = await send(joined.map(({ row }) => row));
    joined.forEach(({ resolve }, index) => resolve({ answer, index }));
  } catch (error) {
    if (joined.length > 1 && error instanceof MillraceClientError) await divide(joined, error, send);
    else for (const { reject } of joined) reject(error);
  }
}

async function divide(
  joined: readonly WaitingRow[],
  error: MillraceClientError,
  send: SendRows,
): Promise<void> {
  if (splitCodes.has(error.code)) {
    const half = Math.ceil(joined.length / 2);
    await Promise.all(
      [joined.slice(0, half), joined.slice(half)].map(async (part) => sendJoined(part, send)),
    );
    return;
  }
  const guilty = error.code === 'INVALID_REQUEST' ? guiltyRows(error, joined.length) : undefined;
  if (guilty === undefined) {
    for (const { reject } of joined) reject(error);
    return;
  }
  joined.forEach(({ reject }, index) => {
    if (guilty.has(index)) reject(errorOfRow(error, index));
  });
  const others = joined.filter((_, index) => !guilty.has(index));
  if (others.length > 0) await sendJoined(others, send);
}

/** Undefined if something else is wrong than rows. */
function guiltyRows(
  { details = [] }: MillraceClientError,
  rowCount: number,
): ReadonlySet<number> | undefined {
  const rows = details.map(({ path }) => Number(rowPath.exec(path)?.[1]));
  return rows.length > 0 && rows.every((row) => row < rowCount) ? new Set(rows) : undefined;
}

/** The error as if the row had been sent alone. */
function errorOfRow(error: MillraceClientError, index: number): MillraceClientError {
  const { code, status, requestId } = error;
  const details = (error.details ?? [])
    .filter(({ path }) => Number(rowPath.exec(path)?.[1]) === index)
    .map(({ path, message }) => ({ path: path.replace(rowPath, 'rows[0]'), message }));
  const sentence = details.map(({ path, message }) => `${path} ${message}`).join(', ');
  const start = error.message.slice(0, error.message.indexOf(': rows['));
  return new MillraceClientError(code, `${start}: ${sentence}.`, { status, requestId, details });
}
