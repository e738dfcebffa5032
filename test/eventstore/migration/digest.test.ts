import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalJson } from '../../../src/eventstore/migration/digest.ts';
import type { JsonValue } from '../../../src/kit/json.ts';

/** The same value with the keys of its objects in the opposite order. */
const turned = (value: JsonValue): JsonValue => {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(turned);
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, turned(member)]),
  );
};
/** A value as a store reads it. */
const json = fc.json().map((text): JsonValue => JSON.parse(text));

test('the canonical text is JSON of the same value, whatever the order of keys', () => {
  fc.assert(
    fc.property(json, (value) => {
      const text = canonicalJson(value);
      expect(JSON.parse(text)).toEqual(value);
      expect(canonicalJson(turned(value))).toBe(text);
    }),
  );
});

test('different values have different texts', () => {
  fc.assert(
    fc.property(json, json, (a, b) => {
      const same = JSON.stringify(turned(turned(a))) === JSON.stringify(turned(turned(b)));
      if (canonicalJson(a) === canonicalJson(b)) expect(a).toEqual(b);
      else expect(same).toBe(false);
    }),
  );
});

test.each<[JsonValue, string]>([
  [
    { b: 1, a: { d: [true, null], c: 'é"\u2028' } },
    '{"a":{"c":"é\\"\u2028","d":[true,null]},"b":1}',
  ],
  [{ '10': 1, '9': 2, ä: 3, Z: 4 }, '{"10":1,"9":2,"Z":4,"ä":3}'],
  [JSON.parse('{"__proto__":{"x":1}}'), '{"__proto__":{"x":1}}'],
  ['\ud800', '"\\ud800"'],
])('%j', (value, text) => {
  expect(canonicalJson(value)).toBe(text);
});
