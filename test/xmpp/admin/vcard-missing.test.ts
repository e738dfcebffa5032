/** An ejabberd without vCards, or without the right to read them: names and pictures are missing, all else works. */
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { API_COMMANDS } from '../../../scripts/ejabberd/config.ts';
import { createEjabberdAdmin } from '../../../src/xmpp/admin/admin.ts';
import { createAccountsTransport } from '../../../src/xmpp/sessions/accounts.ts';
import { type EjabberdOptions, testEjabberd } from '../../support/ejabberd.ts';
import { connectOperator } from '../../support/operator.ts';

const without = (...modules: string[]) =>
  Object.fromEntries(modules.map((name) => [name, undefined]));

const rights = {
  'the service': {
    from: ['mod_http_api'],
    who: { access: { allow: [{ acl: 'api' }] } },
    what: API_COMMANDS.filter((command) => command !== 'get_vcard'),
  },
};

const servers: Record<string, Partial<EjabberdOptions>> = {
  'has no vCards': {
    extraModules: without('mod_vcard', 'mod_vcard_xupdate', 'mod_avatar', 'mod_pubsub', 'mod_caps'),
  },
  'does not let the service read vCards': { extraConfig: { api_permissions: rights } },
  'has mod_avatar without PEP': { extraModules: { mod_pubsub: { plugins: ['flat'] } } },
};

for (const [what, options] of Object.entries(servers)) {
  const ejabberd = await testEjabberd(options);
  test(`a visitor logs in and writes on an ejabberd that ${what}`, async () => {
    const admin = createEjabberdAdmin({ url: ejabberd.apiUrl, ...ejabberd.api });
    const [jid, op] = [`visitor.1@${ejabberd.host}`, `op1@${ejabberd.host}`];
    await admin.ensureGroups(ejabberd.host, { visitors: 'visitors', operators: 'operators' });
    for (const account of [jid, op]) await admin.register(account, 'secret');
    await admin.joinGroup(op, 'operators');
    await admin.setVisitorCard(jid, 'Anna');
    await admin.joinGroup(jid, 'visitors');
    const operator = await connectOperator({
      service: ejabberd.xmpp,
      domain: ejabberd.host,
      username: 'op1',
      password: 'secret',
    });
    const accounts = createAccountsTransport({
      service: ejabberd.xmpp,
      passwordOf: () => 'secret',
      logger: pino({ level: 'silent' }),
    });
    await accounts.online(jid, { status: '/home', nick: 'Anna' });
    await operator.waitFor(() => operator.presences.get(jid)?.nick === 'Anna');
    await accounts.send({ id: 'm1', from: jid, to: op, body: 'hello' });
    await operator.waitFor(() => operator.messages.length === 1);
    if (!('mod_vcard' in (options.extraModules ?? {}))) {
      expect((await operator.vcard(jid)).nickname).toBe('Anna');
      expect(operator.presences.get(jid)?.photo).toBeDefined();
    } else {
      expect(operator.presences.get(jid)?.photo).toBeUndefined();
    }
    await accounts.close(2_000);
    await operator.disconnect();
  });
}
