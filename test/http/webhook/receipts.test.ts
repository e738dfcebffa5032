import { Webhook } from 'standardwebhooks';
import { expect, it } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import type { HttpDeps } from '../../../src/http/deps.ts';
import {
  createWebhookReceipts,
  FAILING_MS,
  REFUSED_ADDRESSES,
} from '../../../src/http/webhook/receipts.ts';
import { ADMIN, fakeApp, WEBHOOK_SECRET } from '../fakes.ts';

it('keeps receipts of our own hosts only, however many a batch names', () => {
  const receipts = createWebhookReceipts(
    (host) => host === 'xmpp.test',
    () => 50_000,
  );
  const many = Array.from({ length: 500 }, (_, i) => ({ host: `h${i}.test`, type: 'message' }));
  const started = {
    host: 'xmpp.test',
    type: 'module.started',
    version: '1.0.0',
    ejabberd: '23.01',
  };
  receipts.onAccepted(
    [...many, started, { host: 'xmpp.test', type: 'operator.ping' }, null, 7],
    40,
  );
  expect(receipts.view().hosts).toEqual({
    'xmpp.test': {
      acceptedAt: 50_000,
      batches: 1,
      clockOffset: -10,
      module: '1.0.0',
      ejabberd: '23.01',
    },
  });
});

it('tells accepted, refused and failed batches apart, for admins and for Prometheus', async () => {
  let broken = false;
  const inbox: HttpDeps['inbox'] = {
    take: async () => {
      if (broken) throw new AppError('unavailable', 'the store is away');
    },
  };
  const { ask } = fakeApp({ now: Date.now, inbox });
  const send = (secret: string) => {
    const text = JSON.stringify([{ host: 'xmpp.test', type: 'operator.ping' }]);
    const at = new Date();
    const headers = {
      'webhook-id': 'b1',
      'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
      'webhook-signature': new Webhook(secret).sign('b1', at, text),
    };
    return ask('POST', '/ejabberd/events', { raw: text, key: null, headers });
  };
  // A mod_lhc that never comes shows too.
  const accepted = /xmpp_chat_webhook_accepted_timestamp_seconds\{host="xmpp.test"\} (\S+)/;
  const before = await ask('GET', '/metrics', { key: ADMIN });
  expect(Date.now() / 1000 - Number(accepted.exec(before.text)?.[1])).toBeLessThan(60);
  const other = `whsec_${Buffer.from('quite another secret').toString('base64')}`;
  expect((await send(WEBHOOK_SECRET)).status).toBe(204);
  expect((await send(other)).status).toBe(401);
  expect((await send(other)).status).toBe(401);
  broken = true;
  expect((await send(WEBHOOK_SECRET)).status).toBe(503);

  expect((await ask('GET', '/debug/webhooks', { key: null })).status).toBe(401);
  const { text } = await ask('GET', '/metrics', { key: ADMIN });
  expect(text).toContain('xmpp_chat_webhooks_refused_total 2');
  expect(text).toContain('xmpp_chat_webhooks_failed_total 1');

  const ready = await ask('GET', '/readyz', { key: ADMIN });
  expect(ready.status).toBe(200); // the event store has a check of its own
  expect(ready.json.checks.webhooks).toEqual({
    ok: false,
    reason: 'batches of mod_lhc fail (one failure): the store is away',
  });
});

it('a failure is forgotten after a while', async () => {
  let now = 1_000_000;
  const receipts = createWebhookReceipts(
    () => true,
    () => now,
  );
  await receipts.check();
  receipts.onFailed(new AppError('unavailable', 'the store is away'));
  await expect(receipts.check()).rejects.toMatchObject({ code: 'unavailable' });
  now += FAILING_MS + 1;
  await receipts.check();
  expect(receipts.view().failed.count).toBe(1);
});

it('keeps where callbacks of the older modules came from, of our hosts and of a few strangers', () => {
  const receipts = createWebhookReceipts(
    (host) => host === 'xmpp.test',
    () => 50_000,
  );
  for (const address of ['10.0.0.3', '10.0.0.4']) receipts.onOlder('xmpp.test', address);
  receipts.onOlder('other.test', '10.0.0.3');
  for (let i = 0; i < 2 * REFUSED_ADDRESSES; i += 1) {
    receipts.onOlderRefused('10.9.9.9');
    receipts.onOlderRefused(`10.1.0.${i}`);
  }
  const { hosts, refused } = receipts.view().olderModules;
  expect(hosts).toEqual({ 'xmpp.test': { at: 50_000, callbacks: 2, address: '10.0.0.4' } });
  expect(Object.keys(refused)).toHaveLength(REFUSED_ADDRESSES);
  expect(refused['10.9.9.9']).toEqual({ at: 50_000, callbacks: 2 * REFUSED_ADDRESSES });
});
