import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCsv } from '../../src/cli/csv.ts';

const fieldsOf = (text: string) => parseCsv(text).map(({ fields }) => fields);

/** As programs write it: quoted where necessary, or always. */
const written = (
  rows: readonly (readonly string[])[],
  end: string,
  always: boolean,
  separator: string,
): string =>
  rows
    .map((row) =>
      row
        .map((field) =>
          always || /["\r\n]/.test(field) || field.includes(separator) || field === ''
            ? `"${field.replaceAll('"', '""')}"`
            : field,
        )
        .join(separator),
    )
    .join(end);

describe('parsing CSV', () => {
  it('returns the fields that were written', () => {
    const field = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 12 }),
      fc.string({ unit: fc.constantFrom('"', ',', '\r', '\n', 'a', ' ', ';', 'é'), maxLength: 12 }),
    );
    const rows = fc.array(fc.array(field, { minLength: 1, maxLength: 6 }), { maxLength: 8 });
    fc.assert(
      fc.property(
        rows,
        fc.constantFrom('\n', '\r\n'),
        fc.boolean(),
        fc.boolean(),
        fc.constantFrom(',', ';'),
        (some, end, always, last, separator) => {
          const all = [['name', 'other'], ...some];
          const text = written(all, end, always, separator) + (last ? end : '');
          expect(fieldsOf(text)).toEqual(all);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('numbers the lines where records begin, also after a field with line breaks', () => {
    const text = 'a,b\r\n"1\r\n2",x\r\n\r\n"q ""r"", s",\n';
    expect(parseCsv(text)).toEqual([
      { line: 1, fields: ['a', 'b'] },
      { line: 2, fields: ['1\r\n2', 'x'] },
      { line: 5, fields: ['q "r", s', ''] },
    ]);
  });

  it.each([
    ['', []],
    ['\n\r\n', []],
    ['a', [['a']]],
    ['""', [['']]],
    [',', [['', '']]],
    [' a , b ', [[' a ', ' b ']]],
    ['a\n""\nb', [['a'], [''], ['b']]],
    [
      'a;b\n1,5;"x;y"',
      [
        ['a', 'b'],
        ['1,5', 'x;y'],
      ],
    ],
    [
      'a,b\nx;y,z',
      [
        ['a', 'b'],
        ['x;y', 'z'],
      ],
    ],
  ])('%j', (text, rows) => {
    expect(fieldsOf(text)).toEqual(rows);
  });

  it.each([
    ['a,b\n"open', /^line 2: a quoted field is not closed$/],
    ['a\nb"c', /^line 2: a field that contains a quote/],
    ['"a"b', /^line 1: something else follows a field/],
    ['a;b\n"a"b', /^line 2: .* where a semicolon or the end/],
    ['a\rb', /^line 1: a carriage return follows a field/],
    ['"1\n2"\n"a" ,b', /^line 3: something else follows a field/],
  ])('refuses %j and names the line', (text, reason) => {
    expect(() => parseCsv(text)).toThrow(reason);
  });

  it('bounds the number of records', () => {
    expect(parseCsv('a\nb\n', 2)).toHaveLength(2);
    expect(() => parseCsv('a\n\nb\nc', 2)).toThrow(/^line 4: there are more than 2 records$/);
  });
});
