import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createNameList, NAMES_PER_PORTION } from '../../../src/xmpp/admin/name-list.ts';

/** Reads the text in pieces of these lengths. */
function read(text: string, lengths: readonly number[] = []): string[] {
  const all: string[] = [];
  const list = createNameList((names) => {
    expect(names.length).toBeLessThanOrEqual(NAMES_PER_PORTION);
    all.push(...names);
  });
  let at = 0;
  for (const length of lengths) {
    list.push(text.slice(at, at + length));
    at += length;
  }
  list.push(text.slice(at));
  list.end();
  return all;
}

describe('a list of names', () => {
  it('is read whatever pieces it comes in, as JSON.parse reads it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme', maxLength: 12 }), { maxLength: 30 }),
        fc.array(fc.nat(9), { maxLength: 60 }),
        fc.constantFrom(undefined, 1),
        (names, lengths, space) => {
          expect(read(JSON.stringify(names, null, space), lengths)).toEqual(names);
        },
      ),
    );
  });

  it('may be long', () => {
    const names = Array.from({ length: 50_000 }, (_, n) => `visitor.${n}.shop`);
    expect(read(JSON.stringify(names), [1_000, 500_000])).toEqual(names);
  });

  it.each(['', '[', '["a"', '["a",', '{"a":1}', '"a"', '["a"]x', '[1]', 'null', '["a"] ["b"]'])(
    'that is none is an error: %s',
    (text) => {
      expect(() => read(text)).toThrow(/not a list of names/);
    },
  );

  it('has no endless name', () => {
    expect(() => read(`["${'x'.repeat(10_000)}`)).toThrow(/not a list of names/);
  });
});
