/** `GET /debug/events` with filters, on a real store. */
import { afterAll, expect, it } from 'vitest';
import { event, events } from '../../eventstore/events.ts';
import { openRig } from '../../support/rig.ts';
import { ADMIN, fakeApp } from '../fakes.ts';

const rig = await openRig();
const { store, vault } = rig;
afterAll(rig.close);
await store.append('visitor-demo.1', events(0, 29), 'no-stream');
const shop = event(30, { type: 'ChatStarted' });
const personal = await vault.seal('shop.2', { nick: 'Ann' }, { ...shop, stream: 'visitor-shop.2' });
await store.append(
  'visitor-shop.2',
  [{ ...shop, personal, metadata: { ...shop.metadata, tenant: 'shop' } }],
  'no-stream',
);
await store.append('visitor-demo.1', [event(31, { type: 'ChatStarted' })], 29);

const { ask } = fakeApp({ store, vault });
const get = async (query: string) => {
  const { status, json: body } = await ask('GET', `/debug/events?${query}`, { key: ADMIN });
  expect(status, JSON.stringify(body)).toBe(200);
  return body as {
    items: { stream: string; data: { n: number }; sealedBy: string | null; personal: unknown }[];
    next: string | null;
    through: { position: string; at: number } | null;
  };
};

it('finds events of a tenant and of types, and says with which key they are sealed', async () => {
  const ofShop = await get('tenant=shop');
  expect(ofShop.items).toMatchObject([
    { stream: 'key-shop.2', sealedBy: null, data: { hidden: true } },
    { stream: 'visitor-shop.2', sealedBy: 'shop.2', personal: { nick: 'Ann' } },
  ]);
  expect(ofShop.next).toBeNull();
  const started = await get('type=ChatStarted,ChatClosed&direction=backwards');
  expect(started.items.map(({ data }) => data.n)).toEqual([31, 30]);
  expect(started.items[0]?.sealedBy).toBeNull();
});

it('goes on behind the last event that it looked at', async () => {
  const first = await get('type=PageViewed&limit=20');
  expect(first.items).toHaveLength(20);
  const second = await get(`type=PageViewed&limit=20&after=${first.next}`);
  expect(second.items.map(({ data }) => data.n)).toEqual([20, 21, 22, 23, 24, 25, 26, 27, 28, 29]);
  expect(second.next).toBeNull();
  // Behind the last one that matched: a follower does not look at the rest again.
  const later = await get(`after=${second.through?.position}`);
  expect(later).toMatchObject({ items: [], next: null, through: null });
});
