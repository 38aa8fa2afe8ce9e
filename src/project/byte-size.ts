/** Sizes as the project file writes them: a number of bytes, or `512kb`, `1mb` with 1 kb = 1024 bytes. */

const unitBytes = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 } as const;
const byteSizePattern = /^(\d{1,10})(b|kb|mb|gb)$/i;

/** Bytes; else a sentence that says what is wrong. */
export function parseByteSize(text: string): number | string {
  const match = byteSizePattern.exec(text);
  if (match === null) return `"${text}" is not a size; write a number of bytes, or 512kb, 1mb`;
  return Number(match[1]) * unitBytes[match[2]?.toLowerCase() as keyof typeof unitBytes];
}
