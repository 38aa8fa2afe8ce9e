/**
 * A chunk: the records that one commit appended to one partition, as one value. So a batch costs a put for each
 * partition and not for each event, and a reader gets many records at once.
 *
 *   float64 time of appending | u32 number of records | for each: u32 length | bytes      (big-endian)
 *
 * Cost: one copy of the bytes to write them, none to split them.
 */

/** Most of one chunk; a single record may be larger. */
export interface ChunkLimits {
  readonly recordsMax: number;
  readonly bytesMax: number;
}

export const chunkLimits: ChunkLimits = { recordsMax: 512, bytesMax: 131_072 };

const HEADER_BYTES = 12;
const LENGTH_BYTES = 4;

export function packChunk(appendedMs: number, records: readonly Buffer[]): Buffer {
  const length = records.reduce((sum, { length: bytes }) => sum + LENGTH_BYTES + bytes, HEADER_BYTES);
  const chunk = Buffer.allocUnsafe(length);
  let at = chunk.writeUInt32BE(records.length, chunk.writeDoubleBE(appendedMs, 0));
  for (const record of records) {
    at = chunk.writeUInt32BE(record.length, at);
    at += record.copy(chunk, at);
  }
  return chunk;
}

/** When it was appended; undefined where it does not say so. The bytes may be a view that is valid for a moment. */
export function chunkTimeMs(chunk: Buffer): number | undefined {
  const timeMs = chunk.length < HEADER_BYTES ? NaN : chunk.readDoubleBE(0);
  return Number.isFinite(timeMs) ? timeMs : undefined;
}

/** How many records it says that it has. */
function chunkCount(chunk: Buffer): number {
  return chunk.length < HEADER_BYTES ? 0 : chunk.readUInt32BE(8);
}

export interface SplitChunk {
  /** Those that can be told apart. */
  readonly records: readonly Buffer[];
  /** That all of them are there, and nothing else. Else what says how many there are, or how long, is damaged. */
  readonly isWhole: boolean;
}

/** @param known how many records there are; default: what the header says */
export function splitChunk(chunk: Buffer, known?: number): SplitChunk {
  const records: Buffer[] = [];
  const count = known ?? chunkCount(chunk);
  let at = HEADER_BYTES;
  while (records.length < count && at + LENGTH_BYTES <= chunk.length) {
    const from = at + LENGTH_BYTES;
    const to = from + chunk.readUInt32BE(at);
    if (to > chunk.length) break;
    records.push(chunk.subarray(from, to));
    at = to;
  }
  return { records, isWhole: records.length === count && at === chunk.length };
}

/** What goes into one chunk each, in order. */
export function chunksOf<T extends { readonly length: number }>(
  records: readonly T[],
  { recordsMax, bytesMax }: ChunkLimits,
): T[][] {
  const chunks: T[][] = [];
  let chunk: T[] = [];
  let bytes = 0;
  for (const record of records) {
    const isFull = chunk.length === recordsMax || bytes + record.length > bytesMax;
    if (chunk.length > 0 && isFull) {
      chunks.push(chunk);
      chunk = [];
      bytes = 0;
    }
    chunk.push(record);
    bytes += record.length;
  }
  chunks.push(chunk);
  return chunks;
}
