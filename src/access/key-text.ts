/**
 * Keys as callers send them: `mr_<id>_<secret><checksum>`. The id is public and finds the key in the file. The secret is 256
 * random bits. All parts have a fixed length and no sign but letters and digits, so that a double click selects all of it and
 * no part can be taken for another. The checksum tells a key that was cut or mistyped from one that is not known.
 */
import { hash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** How every key begins: what looks for secrets in texts can look for this. */
export const KEY_PREFIX = 'mr_';

export interface KeyText {
  readonly id: string;
  readonly secret: string;
}

const ID_BYTES = 8;
const SECRET_BYTES = 32;
/** 62^43 is just above 2^256, and 62^6 above 2^32. */
const SECRET_CHARS = 43;
const CHECKSUM_CHARS = 6;
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const pattern = /^mr_([0-9a-f]{16})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})$/;

export const keyIdPattern: RegExp = /^[0-9a-f]{16}$/;

export function newKeyText(): KeyText {
  return {
    id: randomBytes(ID_BYTES).toString('hex'),
    secret: inBase62(BigInt(`0x${randomBytes(SECRET_BYTES).toString('hex')}`), SECRET_CHARS),
  };
}

export function formatKeyText({ id, secret }: KeyText): string {
  const start = `${KEY_PREFIX}${id}_${secret}`;
  return `${start}${checksumOf(start)}`;
}

/** Undefined where the text is no key, or one that was cut or mistyped. */
export function parseKeyText(text: string): KeyText | undefined {
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const [, id = '', secret = '', checksum = ''] = match;
  return checksumOf(text.slice(0, -CHECKSUM_CHARS)) === checksum ? { id, secret } : undefined;
}

/** SHA-256. A slow hash protects what people think up; nobody can try 2^256 secrets, so a fast one is as good. */
export function secretDigest(secret: string): Buffer {
  return hash('sha256', secret, 'buffer');
}

function checksumOf(text: string): string {
  return inBase62(BigInt(crc32(text)), CHECKSUM_CHARS);
}

function inBase62(value: bigint, chars: number): string {
  let text = '';
  for (let rest = value; rest > 0n; rest /= 62n) text = `${DIGITS[Number(rest % 62n)]}${text}`;
  return text.padStart(chars, '0');
}
