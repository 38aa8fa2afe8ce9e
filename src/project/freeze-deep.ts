/** Freezes plain data: objects, arrays and maps, all the way down. `Object.freeze` alone leaves a map writable. */

export function freezeDeep<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  if (value instanceof Map) {
    for (const entry of value.values()) freezeDeep(entry);
    for (const method of ['set', 'delete', 'clear']) Object.defineProperty(value, method, { value: refuse });
  }
  Object.freeze(value);
  for (const entry of Object.values(value)) freezeDeep(entry);
  return value;
}

function refuse(): never {
  throw new TypeError('a project is frozen');
}
