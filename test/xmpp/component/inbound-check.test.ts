import { expect, test } from 'vitest';
import { INBOUND_PING, InboundCheck } from '../../../src/xmpp/component/inbound-check.ts';

const OPTIONS = {
  own: 'a1.visitors.xmpp.test',
  host: 'xmpp.test',
  pingIntervalMs: 100,
  pingDeadlineMs: 50,
};

function world() {
  const sent: string[] = [];
  const cut: string[] = [];
  const stream = {
    send: (...stanzas: string[]) => void sent.push(...stanzas),
    destroy: (reason: string) => void cut.push(reason),
  };
  const check = new InboundCheck(OPTIONS);
  check.heard(0);
  return { check, stream, sent, cut };
}

test('a stream that says nothing is pinged from the domain that hears the answer, and cut without one', () => {
  const { check, stream, sent, cut } = world();
  check.check(99, stream);
  expect(sent).toEqual([]);
  check.check(100, stream);
  check.check(140, stream);
  expect(sent).toHaveLength(1);
  expect(sent[0]).toContain(`id='${INBOUND_PING}' from='${OPTIONS.own}' to='${OPTIONS.host}'`);
  expect(cut).toEqual([]);
  check.check(151, stream);
  expect(cut).toEqual(['no answer to a ping within 50 ms']);
});

test('an answer ends the wait, and something else does not', () => {
  const { check, stream, sent, cut } = world();
  check.check(100, stream);
  check.heard(120);
  check.check(219, stream);
  expect([sent.length, cut.length]).toEqual([1, 0]);
  check.check(220, stream);
  check.heard(230, false);
  check.check(271, stream);
  expect([sent.length, cut.length]).toEqual([2, 1]);
});

test('while nobody could hear the answer, no stream is cut', () => {
  const { check, stream, cut } = world();
  check.check(100, stream);
  check.check(120, undefined);
  check.check(160, stream);
  check.check(200, stream);
  expect(cut).toEqual([]);
});
