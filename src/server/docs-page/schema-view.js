/** JSON Schemas as nested lists. */
import { inline, make } from './elements.js';

/** Deeper parts wait until they are opened. */
const OPEN_DEPTH_MAX = 6;

/** What a schema refers to, with what it says itself. */
export function resolve(schema, root) {
  if (typeof schema?.$ref !== 'string') return schema;
  const found = schema.$ref
    .slice(2)
    .split('/')
    .reduce((at, name) => at?.[name], root);
  const { $ref: _reference, properties, ...own } = schema;
  return { ...found, ...own, properties: { ...found.properties, ...properties } };
}

function alternativesOf(schema) {
  return schema.anyOf ?? schema.oneOf ?? [];
}

/** Whether it is a value by itself, of one type or another. */
function isPlain(schema) {
  const forms = alternativesOf(schema);
  if (forms.length > 0) return schema.properties === undefined && forms.every(isPlain);
  return (
    ![schema.type ?? 'object'].flat().some((type) => type === 'object' || type === 'array') ||
    schema.enum !== undefined
  );
}

function typeOf(schema) {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const types = [schema.type ?? []].flat();
  const forms = alternativesOf(schema);
  if (types.length === 0 && forms.length > 0)
    return isPlain(schema) ? [...new Set(forms.map(typeOf))].join(' | ') : 'one of';
  if (types.length === 0) return 'anything';
  return types.join(' | ');
}

const limitNames = [
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'pattern',
  'default',
];

function limitsOf(schema) {
  return limitNames
    .filter((name) => schema[name] !== undefined)
    .map((name) => `${name} ${JSON.stringify(schema[name])}`)
    .join(', ');
}

/** What is inside of a schema, each with the name it has there, and whether it is shown at once. */
function partsOf(schema) {
  const needed = schema.required ?? [];
  const parts = Object.entries(schema.properties ?? {}).map(([name, part]) => {
    const isNeeded = needed.includes(name);
    return { name, part, isNeeded, opens: isNeeded };
  });
  if (schema.items !== undefined)
    parts.push({ name: 'each', part: schema.items, isNeeded: false, opens: true });
  if (typeof schema.additionalProperties === 'object')
    parts.push({ name: 'any name', part: schema.additionalProperties, isNeeded: false, opens: false });
  alternativesOf(schema)
    .filter((part) => part.required === undefined || part.type !== undefined || part.$ref !== undefined)
    .forEach((part, i) =>
      parts.push({
        name: part.title ?? `form ${i + 1}`,
        part,
        isNeeded: false,
        opens: i === 0 && !isPlain(part),
      }),
    );
  return parts;
}

function isToldAlready(schema) {
  return schema.description === undefined || schema.description === schema.type;
}

function headOf({ name, isNeeded }, schema) {
  const limits = limitsOf(schema);
  return [
    name === '' ? '' : make('code', {}, name),
    make('span', { className: 'type' }, ` ${typeOf(schema)}`),
    isNeeded ? make('span', { className: 'warning' }, ' required') : '',
    limits === '' ? '' : make('span', { className: 'soft' }, ` ${limits}`),
    ...(isToldAlready(schema) ? [] : [' ', ...inline(schema.description)]),
  ];
}

/**
 * One line for a schema; what is inside of it is made when it is opened.
 * @param given a part of a schema, with its name and whether it is needed, and shown at once
 * @param depth of the part
 */
export function schemaLine(given, root, depth = 0) {
  const schema = resolve(given.part, root);
  const head = headOf(given, schema);
  const parts = partsOf(schema);
  if (parts.length === 0) return make('div', {}, ...head);
  const inside = make('div', { className: 'schema' });
  const details = make('details', {}, make('summary', {}, ...head), inside);
  const fillOnce = () => {
    if (details.open && inside.childNodes.length === 0)
      inside.append(...parts.map((part) => schemaLine(part, root, depth + 1)));
  };
  details.addEventListener('toggle', fillOnce);
  details.open = given.opens && depth < OPEN_DEPTH_MAX && !isPlain(schema);
  fillOnce();
  return make('div', {}, details);
}
