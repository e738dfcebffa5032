/** The doctor's test account: it uses each right, and is removed whatever happens. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { API_COMMANDS } from '../../scripts/ejabberd/config.ts';
import { TenantId } from '../../src/actors/ids.ts';
import { runChecks } from '../../src/doctor/check.ts';
import { chatRoomsCheck, roomRightsCheck } from '../../src/doctor/room-rights.ts';
import { type TestAccountOptions, testAccountCheck } from '../../src/doctor/test-account.ts';
import { AppError } from '../../src/errors.ts';
import type { HttpApi } from '../../src/xmpp/admin/http-api.ts';

const ROOM_RIGHTS = API_COMMANDS.filter(
  (name) => /room/.test(name) || name === 'send_direct_invitation',
);

/** An API that keeps accounts, and may refuse commands as ejabberd does. */
function fakeApi(denied: readonly string[] = []) {
  const accounts = new Set(['olga']);
  const called = new Set<string>();
  const answers: Record<string, (user: string) => unknown> = {
    registered_users: () => [...accounts],
    register: (user) => accounts.add(user) && 'done',
    unregister: (user) => (accounts.delete(user) ? '' : 'there was none'),
    check_account: (user) => (accounts.has(user) ? 0 : 1),
  };
  const api: HttpApi = {
    version: async () => '23.01',
    knownVersion: async () => '23.01',
    names: async () => undefined,
    async call(command, args, schema) {
      called.add(command);
      if (denied.includes(command)) {
        throw new AppError('unavailable', `no right to ${command}`, {
          reason: 'rights',
          status: 403,
        });
      }
      return schema.parse(answers[command]?.(args.user ?? '') ?? 0);
    },
  };
  return { api, accounts, called };
}

const optionsOf = (api: HttpApi, more: Partial<TestAccountOptions> = {}): TestAccountOptions => ({
  tenant: { id: TenantId.parse('acme'), host: 'xmpp.test' },
  api,
  apiUser: 'api@xmpp.test',
  xmpp: 'xmpp://127.0.0.1:5222',
  allowPlaintext: false,
  login: async (_options, { stanza }) => ({
    jid: 'probe@xmpp.test/doctor',
    send: (...stanzas) => {
      for (const one of stanzas) stanza(one);
      // What the API sends comes back as well.
      const message = stanzas.find((one) => one.is('message'));
      if (message) stanza(Object.assign(Object.create(message), { attrs: { id: 'api' } }));
    },
    close: async () => {},
    destroy: () => {},
  }),
  xmppConnects: async () => true,
  webhook: async () => async () => [],
  ...more,
});

/**
 * `status` is asked by the check of the API, `registered_vhosts` by that of the hosts, those of rooms by room-rights.ts;
 * `srg_add` would leave a group.
 */
const USED_HERE = API_COMMANDS.filter(
  (name) =>
    !/^(status|registered_vhosts|srg_add|.*_rooms?(_.*)?|send_direct_invitation)$/.test(name),
);

it('uses every right that the service needs, except the one that would leave a group', async () => {
  const { api, accounts, called } = fakeApi();
  const found = await testAccountCheck(optionsOf(api)).run(new AbortController().signal);
  expect(found.filter(({ status }) => status !== 'ok')).toEqual([]);
  expect([...called].toSorted()).toEqual(USED_HERE.toSorted());
  expect([...accounts]).toEqual(['olga']);
});

it.each(USED_HERE)('names %s when that right is missing', async (name) => {
  const { api } = fakeApi([name]);
  const [rights] = await testAccountCheck(optionsOf(api)).run(new AbortController().signal);
  expect(rights).toMatchObject({
    status: 'problem',
    message: `api@xmpp.test may not call ${name}`,
  });
});

it('leaves the rights for rooms to a check of their own, which warns', async () => {
  const { api, called } = fakeApi();
  const { signal } = new AbortController();
  const ok = [{ status: 'ok', message: 'api@xmpp.test may make rooms for private chats' }];
  expect(await roomRightsCheck(api, 'api@xmpp.test', 'xmpp.test').run(signal)).toEqual(ok);
  expect([...called].toSorted()).toEqual(ROOM_RIGHTS.toSorted());
  for (const name of ROOM_RIGHTS) {
    for (const check of [roomRightsCheck, chatRoomsCheck]) {
      const { run } = check(fakeApi([name]).api, 'api@xmpp.test', 'xmpp.test');
      expect(await run(signal)).toMatchObject([
        { status: 'warning', message: expect.stringMatching(new RegExp(`may not call ${name}$`)) },
      ]);
    }
  }
});

it('says whether operators can have rooms for chats, which are optional', async () => {
  const { signal } = new AbortController();
  const judge = async (api: TestAccountOptions['api']) => {
    const [finding] = await chatRoomsCheck(api, 'api@xmpp.test', 'xmpp.test').run(signal);
    return `${finding?.status}: ${finding?.message}`;
  };
  expect(await judge(fakeApi().api)).toBe(
    'ok: operators can open rooms for chats at conference.xmpp.test',
  );
  expect(await judge(fakeApi(ROOM_RIGHTS).api)).toMatch(
    /^ok: no rooms for chats at xmpp.test: api@xmpp.test may not call .* They are optional/,
  );
  const failing = (error: AppError) => ({
    ...fakeApi().api,
    call: async () => {
      throw error;
    },
  });
  expect(await judge(failing(new AppError('unavailable', 'x', { reason: 'command' })))).toMatch(
    /^ok: no rooms for chats at xmpp.test: ejabberd has no mod_muc_admin. They are optional/,
  );
  expect(await judge(failing(new AppError('unavailable', 'x', { reason: 'crash' })))).toMatch(
    /^ok: no rooms for chats at xmpp.test: ejabberd has no mod_muc at conference.xmpp.test. They/,
  );
  expect(await judge(failing(new AppError('unavailable', 'no answer.')))).toBe(
    'warning: no rooms for chats at xmpp.test: no answer',
  );
});

it('is removed when the login fails, hangs or throws', async () => {
  const logins: Record<string, NonNullable<TestAccountOptions['login']>> = {
    fails: async () => {
      throw new AppError('refused', 'no TLS');
    },
    hangs: ({ signal }) =>
      new Promise((_, reject) => {
        signal?.addEventListener('abort', () => reject(new Error('given up')));
      }),
    breaks: async () => {
      throw new TypeError('a defect');
    },
  };
  for (const login of Object.values(logins)) {
    const { api, accounts } = fakeApi();
    const results = await runChecks([testAccountCheck(optionsOf(api, { login }))], {
      deadlineMs: 200,
    });
    expect(results.some(({ status }) => status === 'problem')).toBe(true);
    expect([...accounts]).toEqual(['olga']);
  }
});

it('says that messages do not come, and ends within its deadline', async () => {
  const { api, accounts } = fakeApi();
  const none = optionsOf(api, {
    login: async () => ({
      jid: 'probe@xmpp.test/doctor',
      send: () => {},
      close: async () => {},
      destroy: () => {},
    }),
    // As long as the real one waits for a batch.
    webhook: async () => async () => {
      await delay(2_500);
      return [{ status: 'problem', message: 'no batch' }];
    },
  });
  const results = await runChecks([testAccountCheck(none)]);
  const said = results.filter(({ status }) => status === 'problem').map(({ message }) => message);
  expect(said).toEqual([
    expect.stringMatching(/by its own stream did not come/),
    expect.stringMatching(/by the API's send_stanza did not come/),
    'no batch',
  ]);
  expect([...accounts]).toEqual(['olga']);
});
