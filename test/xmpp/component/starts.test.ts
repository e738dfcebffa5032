/** Who is named after a loss of the stream, and when. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createStarts } from '../../../src/xmpp/component/starts.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('writers are named some at a time, once, and are known as waiting until then', () => {
  const named: string[] = [];
  const starts = createStarts((jid) => {
    expect(starts.isWaiting(jid)).toBe(false);
    named.push(jid);
  });
  const writers = Array.from({ length: 250 }, (_, n) => `visitor.${n}@visitors.xmpp.test`);
  for (const jid of [...writers, ...writers]) starts.remember(jid);
  starts.begin();
  expect(named).toHaveLength(100);
  expect(writers.filter(starts.isWaiting)).toHaveLength(150);
  starts.end();
  expect(writers.some(starts.isWaiting)).toBe(false);
  starts.begin();
  vi.runAllTimers();
  expect(named.toSorted()).toEqual(writers.toSorted());
  starts.begin();
  expect(named).toHaveLength(250);
});
