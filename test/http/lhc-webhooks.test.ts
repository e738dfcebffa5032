/** LHC's own webhooks: they name a chat, which is read later. */
import { expect, test } from 'vitest';
import { createTenantDirectory } from '../../src/actors/tenant/directory.ts';
import { currentScope } from '../../src/runtime/cause.ts';
import { tenantWith } from '../support/tenant.ts';
import { fakeApp, KEYS } from './fakes.ts';

const KEY = 'webhook-key-of-acme';
const tenant = tenantWith({
  id: 'acme',
  host: 'xmpp.test',
  apiKey: KEYS.acme,
  callbackFlavour: 'rest',
  callbackUrl: 'https://lhc.test/restapi/',
  restUser: 'admin',
  restKey: 'a-rest-key-of-acme',
  webhookKey: KEY,
});

test('a chat that has changed is read for nobody’s request: others wait for it too', async () => {
  const read: unknown[] = [];
  const { ask } = fakeApp({
    tenants: createTenantDirectory([tenant]),
    lhcChats: {
      changed: (id, chat) => {
        read.push([id, chat, currentScope()]);
        return true;
      },
      lastWebhookAt: () => null,
    },
  });
  const post = async (chat: unknown, key: string = KEY) =>
    (await ask('POST', '/lhc/webhooks/acme', { body: { chat }, key })).status;
  expect([await post(17), await post('18'), await post(-1)]).toEqual([204, 204, 204]);
  expect([await post(19, KEYS.acme), await post('x')]).toEqual([401, 400]);
  expect(read).toEqual([
    ['acme', 17, undefined],
    ['acme', 18, undefined],
  ]);
});
