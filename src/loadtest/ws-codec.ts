/** The messages of `/v1/ws`, as JSON text or MessagePack: what is the same in all requests is encoded once. */
import { Packr, Unpackr } from 'msgpackr';
import { errorCatalogue } from '../errors.ts';
import { failedAnswer } from './caller.ts';
import type { Failure } from './caller.ts';
import type { LoadRequest } from './load-request.ts';

export interface WsAnswer {
  /** NaN when the message has no id, as a notice of the server. */
  readonly ticket: number;
  readonly failure?: Failure;
}

export interface WsCodec {
  /** The request as one message. A Buffer is used again by the next call. */
  message(ticket: number): string | Buffer;
  read(data: Buffer, isBinary: boolean): WsAnswer;
}

/** MessagePack's `"id": <uint32>`; every id is written as one, so that it can be replaced in place. */
const packedId: Buffer = Buffer.from([0xa2, 0x69, 0x64, 0xce]);
const ID_MAX = 0xffff_ffff;
const textStart: Buffer = Buffer.from('{"id":');
/** Neither can stand in the text of an error: there the quote is escaped, and the first byte is not UTF-8. */
const textPredictions: Buffer = Buffer.from('"predictions":');
const packedPredictions: Buffer = Buffer.from('\xabpredictions', 'latin1');
const COMMA = 0x2c;
const ZERO = 0x30;
const INTERNAL_STATUS = 500;

export function createWsCodec(requests: readonly LoadRequest[], isPacked: boolean): WsCodec {
  const unpackr = new Unpackr({ useRecords: false });
  const read = (data: Buffer, isBinary: boolean): WsAnswer => {
    const ticket = isBinary ? idOfPacked(data) : idOfText(data);
    if (hasPredictions(data, isBinary) && !Number.isNaN(ticket)) return { ticket };
    return describe(isBinary ? unpackr.unpack(data) : JSON.parse(data.toString()));
  };
  if (isPacked) return { message: packedMessages(requests), read };
  const rests = requests.map(({ endpoint, body }) => JSON.stringify({ endpoint, ...body }).slice(1));
  return { message: (ticket) => `{"id":${ticket},${rests[ticket % rests.length]}`, read };
}

/** Whether a message is the answer to a prediction, and no error: without reading all of it. */
export function hasPredictions(message: Buffer, isPacked: boolean): boolean {
  return message.includes(isPacked ? packedPredictions : textPredictions);
}

function packedMessages(requests: readonly LoadRequest[]): (ticket: number) => Buffer {
  const packr = new Packr({ useRecords: false });
  const messages = requests.map(({ endpoint, body }) => {
    const bytes = Buffer.from(packr.pack({ id: ID_MAX, endpoint, ...body }));
    return { bytes, idAt: bytes.indexOf(packedId) + packedId.length };
  });
  return (ticket) => {
    const { bytes, idAt } = messages[ticket % messages.length] as (typeof messages)[number];
    bytes.writeUInt32BE(ticket, idAt);
    return bytes;
  };
}

/** The id of `{"id":123,…`; NaN when the message begins differently. */
function idOfText(data: Buffer): number {
  if (textStart.compare(data, 0, textStart.length) !== 0) return NaN;
  let id = 0;
  for (let at = textStart.length; at < data.length; at++) {
    const byte = data[at] as number;
    if (byte === COMMA) return id;
    if (byte < ZERO || byte > ZERO + 9) return NaN;
    id = id * 10 + byte - ZERO;
  }
  return NaN;
}

/** The id of a map whose first field it is; NaN when the message begins differently. */
function idOfPacked(data: Buffer): number {
  const first = data[0] as number;
  // A map of up to 15 fields is one byte; a longer one has two more for their number.
  const at = (first & 0xf0) === 0x80 ? 1 : 3;
  if (data.length < at + 8 || data.readUInt16BE(at) !== 0xa269 || data[at + 2] !== 0x64) return NaN;
  const kind = data[at + 3] as number;
  if (kind < 0x80) return kind;
  if (kind === 0xcc) return data[at + 4] as number;
  if (kind === 0xcd) return data.readUInt16BE(at + 4);
  if (kind === 0xce) return data.readUInt32BE(at + 4);
  return NaN;
}

function describe(message: unknown): WsAnswer {
  const { id, predictions, code, error } = (message ?? {}) as Record<string, unknown>;
  const ticket = typeof id === 'number' ? id : NaN;
  if (Array.isArray(predictions)) return { ticket };
  const name = typeof code === 'string' ? code : 'NO_CODE';
  const status = (errorCatalogue as Record<string, { status: number }>)[name]?.status ?? INTERNAL_STATUS;
  return { ticket, failure: failedAnswer(status, name, typeof error === 'string' ? error : 'no message') };
}
