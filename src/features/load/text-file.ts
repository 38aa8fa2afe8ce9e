/**
 * The text of a file, decompressed if it is gzip, chunk by chunk. What CSV and NDJSON share.
 *
 * Invariant: the chunks together are valid UTF-8 without a byte order mark. A file in another encoding is refused
 * rather than read with replacement characters, because a damaged join key would be another key.
 */
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { OpenFile } from './feature-file.ts';
import { fileFailure, loadFailure, messageOf } from './load-failure.ts';

/** Most characters of one row of a text file; one vector of the longest kind takes about 1.5 million. */
export const ROW_CHARS_MAX = 16_777_216;

const CHUNK_BYTES = 256 * 1024;

export interface TextFile {
  /** Bytes taken from the file so far, before decompression. */
  bytesRead(): number;
  /**
   * @throws MillraceError LOAD_FAILED: not UTF-8, damaged gzip, a disk that cannot be read
   */
  chunks(): AsyncGenerator<string, void>;
}

export async function openTextFile(file: OpenFile): Promise<TextFile> {
  const { path, handle } = file;
  const isCompressed = await hasGzipHeader(file);
  let bytesRead = 0;

  // Read by hand: a stream over the handle would keep it from closing for as long as the stream is not read to its end.
  async function* readBytes(): AsyncGenerator<Buffer, void> {
    for (;;) {
      const chunk = await handle.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, bytesRead);
      if (chunk.bytesRead === 0) return;
      bytesRead += chunk.bytesRead;
      yield chunk.buffer.subarray(0, chunk.bytesRead);
    }
  }

  return {
    bytesRead: () => bytesRead,
    async *chunks() {
      try {
        yield* decodedChunks(path, isCompressed ? decompressed(readBytes()) : readBytes());
      } catch (error) {
        throw textFailure(path, error);
      }
    },
  };
}

function decompressed(bytes: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  // An error also ends the loop that reads the result, so the callback has nothing to do.
  return pipeline(bytes, createGunzip({ chunkSize: CHUNK_BYTES }), () => {});
}

async function hasGzipHeader({ path, handle }: OpenFile): Promise<boolean> {
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer.readUInt16BE() === 0x1f8b;
  } catch (error) {
    throw fileFailure(path, error);
  }
}

async function* decodedChunks(path: string, stream: AsyncIterable<Buffer>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let bytesDecoded = 0;
  const decode = (chunk: Uint8Array | undefined): string => {
    try {
      return decoder.decode(chunk, { stream: chunk !== undefined });
    } catch (error) {
      const place = `near byte ${bytesDecoded + (chunk === undefined ? 0 : firstBadByte(chunk))}`;
      throw loadFailure(`${path} is not UTF-8 (${place}): save it as UTF-8`, error);
    }
  };
  for await (const chunk of stream) {
    const text = decode(chunk);
    bytesDecoded += chunk.length;
    if (text !== '') yield text;
  }
  const rest = decode(undefined);
  if (rest !== '') yield rest;
}

function firstBadByte(chunk: Uint8Array): number {
  const text = new TextDecoder().decode(chunk);
  return Buffer.byteLength(text.slice(0, Math.max(0, text.indexOf('\ufffd'))));
}

function textFailure(path: string, error: unknown): Error {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code.startsWith('Z_')) return loadFailure(`${path} is damaged: gzip says "${messageOf(error)}"`, error);
  return fileFailure(path, error);
}
