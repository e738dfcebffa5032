import { expect, it } from 'vitest';
import { saidIn } from '../../src/lhc/callback-answer.ts';

it('a notice says something with a text of its own, or by a code that the service has words for', () => {
  const notice = (code: string, text?: string) =>
    saidIn(JSON.stringify({ outcome: 'accepted', notice: { code, ...(text && { text }) } }));
  for (const code of ['done', 'invited', 'not-shown-yet']) {
    expect(notice(code)).toEqual({ outcome: 'accepted', notice: { code, text: null } });
  }
  expect(notice('answer', ' Hm ')).toEqual({
    outcome: 'accepted',
    notice: { code: 'answer', text: 'Hm' },
  });
  for (const silent of [notice('answer'), notice('of-tomorrow'), saidIn(null), saidIn('<html>')]) {
    expect(silent).toEqual({ outcome: 'accepted' });
  }
});
