/**
 * A chunk: the records that one commit appended to one partition, as one value. So a batch costs a put for each
 * partition and not for each event, and a reader gets many records at once.
 *
 *   float64 time of appending | u32 number of records | for each: u32 length | bytes      (big-endian)
 *
 * Cost: one copy of the bytes to write them, none to split them.
 */

export interface Chunk {
  readonly appendedMs: number;
  /** Undefined = what says where it ends is damaged. */
  readonly records: readonly (Buffer | undefined)[];
}

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

/** Only what the header says, so that the bytes may be a view that is valid for a moment. */
export function chunkHeader(chunk: Buffer): { readonly appendedMs: number; readonly count: number } {
  return { appendedMs: chunk.readDoubleBE(0), count: chunk.readUInt32BE(8) };
}

/** @throws RangeError if there is not even a header */
export function splitChunk(chunk: Buffer): Chunk {
  const { appendedMs, count } = chunkHeader(chunk);
  const records: (Buffer | undefined)[] = [];
  let at = HEADER_BYTES;
  for (let i = 0; i < count; i++) {
    const from = at + LENGTH_BYTES;
    const to = from <= chunk.length ? from + chunk.readUInt32BE(at) : Infinity;
    records.push(to <= chunk.length ? chunk.subarray(from, to) : undefined);
    at = to;
  }
  return { appendedMs, records };
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
