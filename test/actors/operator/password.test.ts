/** Passwords of operators: OpaqueString, RFC 8265 §4. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { passwordFault, preparePassword } from '../../../src/actors/operator/password.ts';
import { OperatorRegistration } from '../../../src/actors/operator/registration.ts';
import { MAX_PASSWORD_BYTES } from '../../../src/actors/operator/stringprep.ts';

const codePoint = fc.oneof(fc.nat(0x17f), fc.nat(0xffff), fc.nat(0x10_ffff));

describe('a password', () => {
  it.each([
    ['empty', '', 'is empty'],
    ['too long', 'x'.repeat(5_000), 'is longer than 256 characters'],
  ])('that is %s is named once', (_what, password, reason) => {
    const { error } = OperatorRegistration.safeParse({ lhcUserId: 5, password });
    const faults = error?.issues.filter(({ path }) => path[0] === 'password');
    expect(faults?.map(({ message }) => message)).toEqual([reason]);
  });

  // The examples of RFC 8265 §4.3, and a line for each rule.
  it.each([
    ['correct horse battery staple', 'correct horse battery staple'],
    ['Correct Horse Battery Staple', 'Correct Horse Battery Staple'],
    ['πßå', 'πßå'],
    ['Jack of ♦s', 'Jack of ♦s'],
    ['foo\u1680bar', 'foo bar'],
    ['a\u00a0b\u3000c', 'a b c'],
    [' both ends ', ' both ends '],
    ['e\u0301', 'é'],
    ['ＡＢｱ', 'ＡＢｱ'], // full and half width stay (§4.2.1, rule 1)
    ['ﬁ½', 'ﬁ½'], // compatibility characters too: NFC, not NFKC
    ['한국어', '한국어'],
    ['\u1112\u1161\u11ab', '한'],
    ['שלום', 'שלום'],
    ['col·lega', 'col·lega'],
    ['スター・ウォーズ', 'スター・ウォーズ'],
    ['٣٤', '٣٤'],
    ['של1ום', 'של1ום'],
    ['a€', 'a€'],
  ])('%j is prepared as %j', (typed, prepared) => {
    expect(preparePassword(typed)).toBe(prepared);
    expect(passwordFault(prepared)).toBeNull();
  });

  it.each([
    ['', /empty/],
    ['a\u0009b', /control character/],
    ['my cat is a \u007fby', /control character/],
    ['soft\u00adhyphen', /RFC 8265/],
    ['zero\u200bwidth', /RFC 8265/],
    ['join\u200der', /RFC 8265/],
    ['tatweel \u0640', /RFC 8265/],
    ['jamo \u1112', /RFC 8265/],
    ['unassigned \u0378', /RFC 8265/],
    ['private \ue000', /RFC 8265/],
    ['half \ud800', /RFC 8265/],
    ['line\u2028separator', /RFC 8265/],
    ['noncharacter \ufdd0', /RFC 8265/],
    ['a·b', /own script/],
    ['dot ・', /own script/],
    ['٣۴', /own script/],
    ['\u05f3', /own script/],
    ['😀'.repeat(256), /1023 bytes/],
    // ejabberd refuses these beyond RFC 8265.
    ['a😀', /younger than 2002/],
    ['a₺', /younger than 2002/],
    ['a\ua7f8', /younger than 2002/], // it becomes an older letter by NFKC
    ['a\ufffd', /ejabberd refuses/],
    ['שלום1', /right to left/],
    ['1שלום', /right to left/],
    ['שלום a שלום', /right to left/],
    ['سلام١', /right to left/],
  ])('%j is refused', (typed, reason) => {
    expect(passwordFault(preparePassword(typed))).toMatch(reason);
  });

  it('that is prepared again stays the same, and holds nothing that XMPP does not allow', () => {
    fc.assert(
      fc.property(fc.array(codePoint, { maxLength: 40 }), (points) => {
        const typed = String.fromCodePoint(...points);
        const prepared = preparePassword(typed);
        expect(preparePassword(prepared)).toBe(prepared);
        if (passwordFault(prepared) !== null) return;
        expect(prepared).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
        expect(prepared).not.toMatch(/[^ \P{Zs}]/u);
        expect(Buffer.byteLength(prepared)).toBeLessThanOrEqual(MAX_PASSWORD_BYTES);
      }),
    );
  });

  it('is prepared in a registration, and a refusal names the field and no part of it', () => {
    expect(OperatorRegistration.parse({ password: 'e\u0301\u00a0x' }).password).toBe('é x');
    const { error } = OperatorRegistration.safeParse({ password: 'secret\u00ad' });
    expect(error?.issues).toMatchObject([{ path: ['password'] }]);
    expect(JSON.stringify(error?.issues)).not.toContain('secret');
  });
});
