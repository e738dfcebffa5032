import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Username } from '../../../src/actors/ids.ts';
import { foldName, namesOf, withNames } from '../../../src/reactors/texts/names.ts';
import { username } from '../../support/names.ts';

const names = (known: Readonly<Record<string, string | null>>) =>
  namesOf(new Map(Object.entries(known).map(([key, name]) => [username(key), name])));

describe('an operator', () => {
  it('is called by the name, and by the username where no name is known', () => {
    const { of } = names({ op1: 'Paula Müller', op2: null, op3: 'op3' });
    expect(['op1', 'op2', 'op3', 'gone'].map((name) => of(username(name)))).toEqual([
      'Paula Müller',
      'op2',
      'op3',
      'gone',
    ]);
  });

  it('whose name another operator has too, in whatever spelling, is told apart by the username', () => {
    const { of } = names({ op1: 'Paula', op2: 'PÁULA', op3: 'op4', op4: 'Tom' });
    expect(['op1', 'op2', 'op3', 'op4'].map((name) => of(username(name)))).toEqual([
      'Paula (op1)',
      'PÁULA (op2)',
      'op4 (op3)',
      'Tom',
    ]);
  });

  it('is called by a name that is their own username in another spelling', () => {
    expect(names({ tom: 'Tom', op2: 'Ann' }).of(username('tom'))).toBe('Tom');
  });

  it('never shares what they are called with another operator', () => {
    const called = fc.option(fc.constantFrom('Ann', 'ann', 'Änn', 'op1', 'OP2', 'Ann (op1)', 'x'));
    fc.assert(
      fc.property(fc.array(called, { minLength: 2, maxLength: 6 }), (all) => {
        const known = new Map(all.map((name, n) => [username(`op${n}`), name]));
        const { of } = namesOf(known);
        const texts = [...known.keys()].map((each) => of(each));
        expect(new Set(texts).size).toBe(texts.length);
      }),
    );
  });
});

describe('a name', () => {
  const all = names({ 'anna.k': 'Anna-Lena Kraus', tom: 'Thomas Weiß', op3: 'Ҝ', op4: null });

  it.each<[string, string[]]>([
    ['anna', ['anna.k']],
    ['LENA KRAUS', ['anna.k']],
    ['weiss', ['tom']],
    ['op4', ['op4']],
    ['ann', []],
    ['  ', []],
    ['-', []],
  ])('%j has these operators as a word of theirs: %j', (text, expected) => {
    expect(all.withWord(text)).toEqual(expected);
  });

  it('is the username first', () => {
    expect(names({ tom: 'Anna', anna: 'Tom' }).called('TOM')).toEqual(['tom']);
  });

  it('is compared without case, accents and spaces', () => {
    expect(foldName('  ÉMILE   Łoś ')).toBe('emile los');
    fc.assert(fc.property(fc.string(), (text) => foldName(foldName(text)) === foldName(text)));
  });
});

describe('a mention in a reason', () => {
  const { of } = names({ op1: 'Paula', 'a.b': 'Tom' });

  it.each([
    ['this chat belongs to @op1', 'this chat belongs to Paula'],
    ['@op1 cannot; (@a.b) or @a.b.', 'Paula cannot; (Tom) or Tom.'],
    ['@gone has it', 'gone has it'],
    ['op1 wrote to x@op1 and !transfer op1', 'op1 wrote to x@op1 and !transfer op1'],
  ])('%j is read as %j', (text, expected) => {
    expect(withNames(text, of)).toBe(expected);
  });

  it('has the name of every possible username', () => {
    const first = fc.constantFrom(...'abz09_');
    const rest = fc.string({ unit: fc.constantFrom(...'ab0._-'), maxLength: 61 });
    fc.assert(
      fc.property(first, rest, (start, more) => {
        const each = `${start}${more}` as Username; // made of its characters
        fc.pre(!/[.-]$/.test(each));
        expect(withNames(`it is @${each}.`, () => 'Paula')).toBe('it is Paula.');
      }),
    );
  });
});
