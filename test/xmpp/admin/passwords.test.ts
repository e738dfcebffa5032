/** Whether a password can be used is known before ejabberd is asked. Here a real ejabberd is asked, and says the same. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { passwordFault, preparePassword } from '../../../src/actors/operator/password.ts';
import { createEjabberdAdmin } from '../../../src/xmpp/admin/admin.ts';
import { testEjabberd } from '../../support/ejabberd.ts';

const ejabberd = await testEjabberd({ hosts: ['xmpp.test'] });
const admin = createEjabberdAdmin({ url: ejabberd.apiUrl, ...ejabberd.api });
const jid = `olga@${ejabberd.host}`;
await admin.register(jid, 'first');

async function isAccepted(password: string): Promise<boolean> {
  try {
    await admin.changePassword(jid, password);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'invalid', details: { field: 'password' } });
    return false;
  }
}

/** Scripts of both directions, digits, marks, compatibility characters, and what came after Unicode 3.2. */
const mixed = fc.constantFrom(
  ...'aZ1 !-é½ﬁ中あ한ｱאבשبت٣ܐހ־\u0591\u0301\ufb1d\ufe8f₺😀€\ufffd\u2ff0',
);
const any = fc
  .oneof(fc.nat(0x6ff), fc.nat(0xffff), fc.nat(0x1_ffff))
  .map((point) => (point >= 0xd800 && point <= 0xdfff ? 'x' : String.fromCodePoint(point)));

test.each([
  ['letters', fc.array(mixed, { minLength: 1, maxLength: 5 }), 500],
  ['any character', fc.array(any, { minLength: 1, maxLength: 2 }), 1_000],
])(
  'a password of %s is refused here if ejabberd would refuse it',
  async (_what, points, numRuns) => {
    await fc.assert(
      fc.asyncProperty(points, async (some) => {
        const password = preparePassword(some.join(''));
        const fault = passwordFault(password);
        // RFC 8265 refuses more than ejabberd in places, and a client refuses that too.
        if (fault !== null && /RFC 8265|control|empty/.test(fault)) return;
        expect([fault, await isAccepted(password)]).toEqual([fault, fault === null]);
      }),
      { numRuns },
    );
  },
);

test.each([31, 32])(
  '%i signs that stand for 33 bytes each are measured as ejabberd does',
  async (count) => {
    const password = preparePassword('\ufdfa'.repeat(count));
    const isShort = count * 33 <= 1_023;
    expect([passwordFault(password) === null, await isAccepted(password)]).toEqual([
      isShort,
      isShort,
    ]);
  },
);
