/** A file of operators: its rows, its faults, and what it would change. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readRows, readText } from '../../src/cli/operators-file.ts';
import { planImport, type RegisteredOperator } from '../../src/cli/operators-plan.ts';
import { temporaryFolder } from '../support/folder.ts';

const dir = temporaryFolder('operators-file');

const faultsOf = (text: string) =>
  readRows(text).faults.map(({ line, field, reason }) => `${line} ${field ?? ''}: ${reason}`);
const rowsOf = (text: string) =>
  readRows(text).rows.map(({ line, username, settings }) => ({ line, username, settings }));

describe('a file of operators', () => {
  it('may have its columns in any order; an empty cell changes nothing', () => {
    const text =
      'lhcUserId, departments ,username,password,name,capacity,adopt\r\n' +
      '7,sales; help ;sales,ada,"p,w "" ; ",Ada L.,3,yes\r\n' +
      '8,,grace,,,,\r\n';
    expect(rowsOf(text)).toEqual([
      {
        line: 2,
        username: 'ada',
        settings: {
          lhcUserId: 7,
          departments: ['sales', 'help'],
          password: 'p,w " ; ',
          name: 'Ada L.',
          capacity: 3,
          adopt: true,
        },
      },
      { line: 3, username: 'grace', settings: { lhcUserId: 8 } },
    ]);
    expect(faultsOf(text)).toEqual([]);
  });

  it('may have numbers with leading zeros', () => {
    const text = 'username,lhcUserId,capacity\nada,007,05\n';
    const settings = { lhcUserId: 7, capacity: 5 };
    expect(rowsOf(text)).toEqual([{ line: 2, username: 'ada', settings }]);
    expect(faultsOf('username,lhcUserId,capacity\nada,00,0\n')).toHaveLength(2);
  });

  it('gets all of its faults listed, with their lines', () => {
    const text = [
      'username,lhcUserId,capacity,departments,adopt,password',
      'ada,7,0,sales,,',
      'Ada,seven,5,,maybe,',
      'grace,7,5,,,"tab\t"',
      'ada,9,5,,,',
      'short,1',
      'visitor.x,1.5,1001,,,',
    ].join('\n');
    expect(faultsOf(text)).toEqual([
      '2 capacity: is not a whole number from 1 to 1000',
      expect.stringMatching(/^3 username: a username is a-z/),
      '3 lhcUserId: is not a whole number from 1',
      '3 adopt: is none of true, yes, 1, false, no, 0',
      '4 password: holds a control character',
      '4 lhcUserId: 7 is on line 2 too',
      '5 username: ada is on line 2 too',
      '6 : has 2 fields, the header has 6',
      '7 username: this username is reserved',
      '7 lhcUserId: is not a whole number from 1',
      '7 capacity: is not a whole number from 1 to 1000',
    ]);
  });

  it('must not name an operator or an LHC user twice', () => {
    const text = 'username,lhcUserId\nada,7\ngrace,7\nada,8\n';
    expect(faultsOf(text)).toEqual([
      '3 lhcUserId: 7 is on line 2 too',
      '4 username: ada is on line 2 too',
    ]);
  });

  it.each([
    [
      'username,lhc_user,Name\nada,1,x',
      ['1 : unknown columns "lhc_user", "Name"; the columns are '],
    ],
    ['lhcUserId\n1', ['1 : there is no column username']],
    ['username,name,name\nada,a,b', ['1 : the column name is there twice']],
    [
      'user,name,name\na"b',
      ['1 : unknown columns "user"', '1 : the column name is', '1 : there is no', '2 : a field'],
    ],
    ['user"name\na"b\nc', ['1 : a field that', '2 : a field that']],
    [`username\n${'a\n'.repeat(10_000)}b`, ['10002 : there are more than 10001 records']],
  ])('%.40j is refused', (text, reasons) => {
    const faults = faultsOf(text).filter((fault) => !fault.includes('is on line 2'));
    expect(faults).toEqual(reasons.map((reason) => expect.stringContaining(reason)));
  });

  it('may hold what a spreadsheet leaves behind', () => {
    const text = [
      'sep=;',
      ' ; ; ;;',
      ' username ;\u00a0lhcUserId;password; ;',
      ';;;;',
      'ada;7; ;;',
      'grace;8;" a b ";\t;;;;',
      '; ;;;',
      '',
      ';;;;',
    ].join('\r\n');
    const rows = [
      { line: 5, username: 'ada', settings: { lhcUserId: 7 } },
      { line: 6, username: 'grace', settings: { lhcUserId: 8, password: ' a b ' } },
    ];
    for (const end of ['\r\n', '\n', '\r']) {
      const saved = text.replaceAll('\r\n', end) + end.repeat(20_000);
      expect([rowsOf(saved), faultsOf(saved)]).toEqual([rows, []]);
    }
    const tabs = text
      .replaceAll(';', '\t')
      .replace('8\t', '8\t')
      .replace('" a b "\t\t', '" a b "\t');
    expect([rowsOf(tabs), faultsOf(tabs)]).toEqual([rows, []]);
  });

  it('must not have data in a column without a name, nor a name that is too long', () => {
    const long = 'x'.repeat(129);
    const text = `username,name,,departments,\nada,,,,\ngrace,,x,,\nkate,,,,,,y\nlena,${long},,${long},\n`;
    expect(faultsOf(text)).toEqual([
      '3 : has something in column 3, which has no name in the header',
      '4 : has something in column 7, which has no name in the header',
      '5 name: is longer than 128 characters',
      '5 departments: is longer than 128 characters',
    ]);
  });

  it.each([
    ['UTF-8 with a byte order mark', (text: string) => Buffer.from(`\ufeff${text}`)],
    ['UTF-16, as "Unicode text"', (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le')],
  ])('may be %s', async (what, encode) => {
    const path = join(dir, what);
    writeFileSync(path, encode('username\tname\r\nada\tÄda Ł.\r\n'));
    const settings = { name: 'Äda Ł.' };
    expect(rowsOf(await readText(path))).toEqual([{ line: 2, username: 'ada', settings }]);
    writeFileSync(path, Buffer.from('username,name\nada,Äda', 'latin1'));
    await expect(readText(path)).rejects.toThrow(/is not UTF-8: save it as "CSV UTF-8"/);
  });

  it('must not be empty', () => {
    expect(() => readRows('')).toThrow(/^the file is empty/);
  });

  it('never shows a password in a fault', () => {
    const text = 'username,password,capacity\nada,geheim\u0007,x\n"Ada",geheim,1\n';
    expect(JSON.stringify(faultsOf(text))).not.toContain('geheim');
  });
});

const listed = (
  username: string,
  lhcUserId: number,
  more: Partial<RegisteredOperator> = {},
): RegisteredOperator => ({
  username,
  lhcUserId,
  name: null,
  departments: ['sales'],
  capacity: 5,
  tier: 1,
  tiers: {},
  languages: [],
  ...more,
});
const plan = (text: string, known: readonly RegisteredOperator[]) => {
  const { waves, faults } = planImport(readRows(text).rows, known);
  return {
    waves: waves.map((wave) =>
      wave.map(({ row, kind, changes }) => [row.username, kind, ...changes].join(' ')),
    ),
    faults: faults.map(({ line, field, reason }) => `${line} ${field}: ${reason}`),
  };
};

describe('the plan of an import', () => {
  it('has what differs from the registered operators', () => {
    const known = [
      listed('same', 1, { name: 'S', departments: ['a', 'b'] }),
      listed('moved', 2),
      listed('secret', 3),
    ];
    const text = [
      'username,lhcUserId,name,departments,capacity,password',
      'same,1,S,b;a,5,',
      'moved,2,M,help,6,',
      'secret,,,,,pw',
      'new,4,,,,pw',
    ].join('\n');
    expect(plan(text, known)).toEqual({
      waves: [
        [
          'same unchanged',
          'moved change name departments capacity',
          'secret change password',
          'new create',
        ],
      ],
      faults: [],
    });
  });

  it('requires an LHC user and a password of a new operator', () => {
    expect(plan('username,lhcUserId,password,adopt\na,,pw,\nb,2,,\nc,3,,yes\n', [])).toEqual({
      waves: [],
      faults: [
        '2 lhcUserId: is required for a new operator',
        '3 password: is required for a new operator',
      ],
    });
  });

  it('reports the faults of the file and of the comparison at once', () => {
    const { rows, faults } = readRows('username,capacity,lhcUserId\na,x,\nb,x,2\nc,5,1\n');
    const { waves, faults: all } = planImport(rows, [listed('kate', 1)], faults);
    expect(waves).toEqual([]);
    expect(all.map(({ line, field }) => `${line} ${field}`)).toEqual([
      '2 capacity',
      '2 lhcUserId',
      '2 password',
      '3 capacity',
      '3 password',
      '4 password',
      '4 lhcUserId',
    ]);
  });

  it('does not judge who takes an LHC user if a row does not say its own', () => {
    const known = [listed('a', 1), listed('b', 2)];
    const { rows, faults } = readRows('username,lhcUserId\na,x\nb,1\n');
    expect(planImport(rows, known, faults).faults).toEqual(faults);
  });

  it('sends an operator who gives up their LHC user before the one who takes it', () => {
    const known = [listed('a', 1), listed('b', 2), listed('c', 3)];
    expect(plan('username,lhcUserId\na,2\nb,3\nc,4\n', known).waves).toEqual([
      ['c change lhcUserId'],
      ['b change lhcUserId'],
      ['a change lhcUserId'],
    ]);
  });

  it('refuses LHC users that belong to others or are exchanged in a circle', () => {
    const known = [listed('a', 1), listed('b', 2), listed('c', 3)];
    expect(plan('username,lhcUserId\na,2\nb,1\n', known).faults).toEqual([
      '3 lhcUserId: is exchanged in a circle with that of a',
    ]);
    expect(plan('username,lhcUserId\na,3\nb,1\n', known).faults).toEqual([
      '2 lhcUserId: belongs to operator c',
    ]);
    expect(plan('username,lhcUserId,name\na,3,\nc,,Carla\n', known).faults).toEqual([
      '2 lhcUserId: belongs to operator c',
    ]);
  });

  it('is fast for ten thousand operators who all take the LHC user of the next', () => {
    const known = Array.from({ length: 10_000 }, (_, i) => listed(`o${i}`, i + 1));
    const text = [
      'username,lhcUserId',
      ...known.map(({ username }, index) => `${username},${index + 2}`),
    ];
    const { waves } = plan(text.join('\n'), known);
    expect(waves).toHaveLength(10_000);
    expect(waves[0]).toEqual(['o9999 change lhcUserId']);
  });
});
