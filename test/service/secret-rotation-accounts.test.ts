/** After a change of the service secret, visitors' accounts in a real ejabberd get new passwords by themselves. */
import { expect, it } from 'vitest';
import { deriveSecrets } from '../../src/runtime/vault/secrets.ts';
import { sessionError } from '../../src/xmpp/sessions/failure.ts';
import { openStream } from '../../src/xmpp/sessions/login-stream.ts';
import { testWorld } from '../support/test-world.ts';
import { waitFor } from '../support/wait.ts';

const OLD = 'the-old-secret-that-somebody-has-seen-1';
const NEW = 'the-new-secret-that-nobody-has-seen-yet';
const HOST = 'xmpp.test';

const world = await testWorld({
  tenants: [{ id: 'acme', host: HOST }],
  environment: { SERVICE_SECRET: OLD },
});
const acme = world.tenant('acme');

/** Whether one can log in to the account of a visitor with the password that comes from this secret. */
const opensWith = async (secret: string, visitor: string): Promise<boolean> => {
  const jid = acme.visitorJid(visitor);
  try {
    const stream = await openStream(
      {
        service: world.ejabberd.xmpp,
        domain: HOST,
        username: jid.split('@')[0] ?? '',
        password: deriveSecrets([secret]).passwordOf(jid),
        resource: 'probe',
        allowPlaintext: true,
        loginDeadlineMs: 15_000,
        signal: AbortSignal.timeout(30_000),
      },
      { stanza: () => undefined, lost: () => undefined },
    );
    await stream.close(5_000);
    return true;
  } catch (error) {
    expect(sessionError(jid, error).details.condition).toBe('not-authorized');
    return false;
  }
};

it('a visitor is online again with a password of the new secret, and the operator sees who it is', async () => {
  await acme.register('olga');
  await acme.view('1', { page: 'https://shop.test/', nick: 'Anna' });
  await waitFor(async () => (await world.metric('xmpp_chat_visitor_sessions')) === 1);
  await world.service.stop();
  await world.service.start({ SERVICE_SECRET: `${NEW},${OLD}` });
  await acme.view('1', { page: 'https://shop.test/cart', nick: 'Anna' });
  await waitFor(() => world.service.logs().includes('the others can be removed'), {
    what: 'the old secret to be needed no more',
  });
  // A session counts from the beginning of its first login, which ejabberd refuses: then the password is set.
  await waitFor(() => opensWith(NEW, '1'), { what: 'the new password' });
  expect(await opensWith(OLD, '1')).toBe(false);

  await world.service.stop();
  await world.service.start({ SERVICE_SECRET: NEW });
  const olga = await acme.connect('olga');
  await acme.view('1', { page: 'https://shop.test/cart', nick: 'Anna' });
  const jid = acme.visitorJid('1');
  await olga.waitFor(() => olga.presences.get(jid)?.available, 'the contact');
  await acme.view('2', { page: 'https://shop.test/', nick: 'Bert' });
  await waitFor(async () => (await world.metric('xmpp_chat_visitor_sessions')) === 2);
  await waitFor(() => opensWith(NEW, '2'), { what: 'the password of the second visitor' });
  await olga.disconnect();
}, 180_000);
