/** JSON Schemas as nested lists. */
import { inline, make } from './elements.js';

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

function typeOf(schema) {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const types = [schema.type ?? []].flat();
  if (types.length === 0) return (schema.anyOf ?? schema.oneOf) ? 'one of' : 'anything';
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

function inner(name, part) {
  return { name, part, isNeeded: false };
}

/** What is inside of a schema, each with the name it has there. */
function partsOf(schema) {
  const parts = Object.entries(schema.properties ?? {}).map(([name, part]) => ({
    name,
    part,
    isNeeded: (schema.required ?? []).includes(name),
  }));
  if (schema.items !== undefined) parts.push(inner('each', schema.items));
  if (typeof schema.additionalProperties === 'object')
    parts.push(inner('any name', schema.additionalProperties));
  (schema.anyOf ?? schema.oneOf ?? [])
    .filter((part) => part.required === undefined || part.type !== undefined || part.$ref !== undefined)
    .forEach((part, i) => parts.push(inner(part.title ?? `form ${i + 1}`, part)));
  return parts;
}

/** One line for a schema; what is inside of it is made when it is opened. */
export function schemaLine(name, given, isNeeded, root, depth) {
  const schema = resolve(given, root);
  const head = [
    name === '' ? '' : make('code', {}, name),
    make('span', { className: 'type' }, ` ${typeOf(schema)}`),
    isNeeded ? make('span', { className: 'warning' }, ' required') : '',
    make('span', { className: 'soft' }, limitsOf(schema) === '' ? '' : ` ${limitsOf(schema)}`),
    ...(schema.description === undefined ? [] : [' ', ...inline(schema.description)]),
  ];
  const parts = partsOf(schema);
  if (parts.length === 0) return make('div', {}, ...head);
  const fill = () =>
    parts.map(({ name: own, part, isNeeded: needs }) => schemaLine(own, part, needs, root, depth + 1));
  const inside = make('div', { className: 'schema' });
  const details = make('details', {}, make('summary', {}, ...head), inside);
  const fillOnce = () => {
    if (details.open && inside.childNodes.length === 0) inside.append(...fill());
  };
  details.addEventListener('toggle', fillOnce);
  details.open = depth < 2;
  fillOnce();
  return make('div', {}, details);
}
