import { expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { createLatestPresence } from '../../../src/xmpp/sessions/latest-presence.ts';

const page = (status: string) => ({ status, nick: '' });
const gone = new AppError('unavailable', 'gone');

test('only the latest presence is written, and only once per stream', () => {
  const presence = createLatestPresence();
  expect(presence.toWrite()).toBeUndefined();
  presence.set(page('/1'));
  presence.set(page('/2'));
  expect(presence.toWrite()?.getChildText('status')).toBe('/2');
  expect(presence.toWrite()).toBeUndefined();
  presence.forgetWritten();
  expect(presence.toWrite()?.getChildText('status')).toBe('/2');
  presence.set(page('/3'));
  presence.set(page('/2'));
  expect(presence.toWrite()).toBeUndefined();
});

test('older promises follow the latest one, which one ping settles', async () => {
  const presence = createLatestPresence();
  const first = presence.set(page('/1'));
  const second = presence.set(page('/2'));
  const same = presence.set(page('/2'));
  expect([first.changed, second.changed, same.changed]).toEqual([true, true, false]);
  const waiter = presence.toCover();
  expect(presence.toCover()).toBeUndefined();
  waiter?.resolve();
  await Promise.all([first.done, second.done, same.done]);
});

test('a failure rejects the promise and keeps the presence for the next stream', async () => {
  const presence = createLatestPresence();
  const { done } = presence.set(page('/1'));
  presence.fail(gone);
  await expect(done).rejects.toBe(gone);
  expect(presence.toCover()).toBeUndefined();
  expect(presence.toWrite()?.getChildText('status')).toBe('/1');
  expect(presence.set(page('/1')).changed).toBe(true);
});

test('failUnwritten spares a presence that a ping covers', async () => {
  const presence = createLatestPresence();
  const covered = presence.set(page('/1'));
  presence.toCover()?.resolve();
  presence.failUnwritten(gone);
  await covered.done;
  const uncovered = presence.set(page('/2'));
  presence.failUnwritten(gone);
  await expect(uncovered.done).rejects.toBe(gone);
});

test('another status goes to one receiver, and changes nothing for the others', () => {
  const latest = createLatestPresence();
  expect(latest.directed('op@xmpp.test', 'x')).toBeUndefined();
  latest.set({ status: 'In chat', nick: 'Anna', show: 'chat' });
  expect(latest.directed('op@xmpp.test', 'x')).toBeUndefined(); // nobody has seen the visitor yet
  latest.toWrite();
  const preview = latest.directed('op@xmpp.test', 'Writes: H')?.toString();
  expect(preview).toMatch(/^<presence to="op@xmpp.test"><show>chat<\/show><status>Writes: H</);
  expect(latest.directed('op@xmpp.test', null)?.toString()).toContain('<status>In chat</status>');
  expect(latest.toWrite()).toBeUndefined();
});
