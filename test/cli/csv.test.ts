import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isFilled, MOST_CSV_FAULTS, parseCsv } from '../../src/cli/csv.ts';

const fieldsOf = (text: string) => parseCsv(text).records.map(({ fields }) => fields);

const faultsOf = (text: string) =>
  parseCsv(text).faults.map(({ line, reason }) => `${line}: ${reason}`);

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
        fc.constantFrom('\n', '\r\n', '\r'),
        fc.boolean(),
        fc.boolean(),
        fc.constantFrom(',', ';', '\t'),
        (some, end, always, last, separator) => {
          const all = [['name', 'other'], ...some];
          const text = written(all, end, always, separator) + (last ? end : '');
          const filled = all.filter((row) => row.some(isFilled));
          expect(fieldsOf(text)).toEqual(filled);
          const sep = `sep=${separator}${end}`;
          expect(fieldsOf(sep + text)).toEqual(filled);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('numbers the lines where records begin, also after a field with line breaks', () => {
    const text = 'a,b\r\n"1\r\n2",x\r\n\r\n"q ""r"", s",\n';
    expect(parseCsv(text).records).toEqual([
      { line: 1, fields: ['a', 'b'] },
      { line: 2, fields: ['1\r\n2', 'x'] },
      { line: 5, fields: ['q "r", s', ''] },
    ]);
  });

  it.each([
    ['', []],
    ['\n\r\n', []],
    ['a', [['a']]],
    ['""', []],
    [',', []],
    [';;;\n ; ;\u00a0\n', []],
    ['a\rb', [['a'], ['b']]],
    ['sep=;\r\na,b;c\r\n', [['a,b', 'c']]],
    ['"sep=,",,\na;b,c', [['a;b', 'c']]],
    ['SEP=\t\na,b\tc', [['a,b', 'c']]],
    ['sep=;', []],
    ['a,b\n\u200b,\u00a0\n\ufeff,\n\u001a', [['a', 'b']]],
    ['sep=', [['sep=']]],
    [';;\na;b,c\n', [['a', 'b,c']]],
    [' a , b ', [[' a ', ' b ']]],
    ['a\n""\nb', [['a'], ['b']]],
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
    ['a,b\n"open', /^2: a quoted field is not closed$/],
    ['a\nb"c', /^2: a field that contains a quote/],
    ['"a"b', /^1: something else follows a field/],
    ['a;b\n"a"b', /^2: .* where a semicolon or the end/],
    ['sep=;\na;b\n"a"b', /^3: .* where a semicolon or the end/],
    ['a\tb\r"a"b', /^2: .* where a tab or the end/],
    ['"1\n2"\n"a" ,b', /^3: something else follows a field/],
  ])('refuses %j and names the line', (text, reason) => {
    expect(faultsOf(text)).toEqual([expect.stringMatching(reason)]);
  });

  it('finds the faults of all lines, and leaves those lines out', () => {
    const text = 'a,b\nx"y,1\n"1\n2"z,3\nok,1\n"open,2\nlast,3';
    expect(faultsOf(text)).toEqual([
      expect.stringMatching(/^2: a field that contains a quote/),
      expect.stringMatching(/^3: something else/),
      expect.stringMatching(/^6: a quoted field is not closed/),
    ]);
    const lines = parseCsv(text).records.map(({ line }) => line);
    expect(lines).toEqual([1, 5, 7]);
  });

  it('ends, and names lines that are there, whatever a text holds', () => {
    const unit = fc.constantFrom('"', ',', '\r', '\n', 'a', ';');
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 60 }), (text) => {
        const { records, faults } = parseCsv(text);
        for (const { line } of [...records, ...faults]) {
          expect(line).toBeGreaterThan(0);
          expect(line).toBeLessThanOrEqual(text.split(/\r\n?|\n/).length);
        }
      }),
    );
    const broken = '"a"b\n'.repeat(MOST_CSV_FAULTS * 2);
    expect(parseCsv(broken).faults).toHaveLength(MOST_CSV_FAULTS);
  });

  it('bounds the number of records', () => {
    expect(parseCsv('a\nb\n', 2).records).toHaveLength(2);
    const { records, faults } = parseCsv('a\n\nb\nc\nd', 2);
    expect(records).toHaveLength(2);
    expect(faults).toEqual([{ line: 4, reason: 'there are more than 2 records' }]);
  });
});
