/** How the doctor reads and judges roster groups, in the forms that releases of ejabberd have. */
import { expect, it } from 'vitest';
import { TenantSettings } from '../../src/actors/tenant/settings.ts';
import { rosterGroupsCheck } from '../../src/doctor/roster-groups.ts';
import type { HttpApi } from '../../src/xmpp/admin/http-api.ts';

const tenant = TenantSettings.parse({
  id: 'acme',
  host: 'xmpp.test',
  instance: 'one',
  apiKey: 'key-of-acme-0123456789',
});

/** @param displayed what each group displays, as the API answers it */
async function found(displayed: { visitors: unknown; operators: unknown }) {
  const api: Pick<HttpApi, 'call'> = {
    async call(command, { group }, schema) {
      if (command === 'srg_get_members') return schema.parse(['olga.one@xmpp.test']);
      const value = group === 'visitors.one' ? displayed.visitors : displayed.operators;
      return schema.parse([{ key: 'displayed_groups', value }]);
    },
  };
  const findings = await rosterGroupsCheck(api, tenant).run(new AbortController().signal);
  return findings.map(({ status, message, advice }) => `${status}: ${message} -> ${advice}`);
}

const BOTH = ['operators.one', 'visitors.one'];

it.each([
  ['operators.one', 'visitors.one'],
  [BOTH.join('\n'), BOTH.join('\n')],
  [BOTH.join('\\n'), BOTH.join('\\n')],
  [BOTH.join('\n, '), BOTH.join('\n, ')],
  [BOTH, BOTH],
  ['["operators.one","visitors.one"]', '["operators.one","visitors.one"]'],
])('finds what they display: %j', async (visitors, operators) => {
  expect(await found({ visitors, operators })).toEqual([
    expect.stringMatching(/^ok: visitors.one displays operators.one/),
    expect.stringMatching(/^ok: operators.one displays visitors.one/),
    expect.stringMatching(/^ok: members of operators.one: 1/),
  ]);
});

it('names the groups of the old Node server, and a group that was changed', async () => {
  const old = await found({ visitors: '', operators: BOTH.join('\n') });
  expect(old[0]).toMatch(/^problem: visitors.one .*old Node server.*grey -> restart the service/);
  expect(old[1]).toMatch(/^ok/);
  const changed = await found({ visitors: 'operators.two', operators: 'operators.one' });
  expect(changed[0]).toMatch(/^problem: visitors.one .* does not display operators.one.*changed/);
  expect(changed[1]).toMatch(/^problem: operators.one .* does not display visitors.one/);
});
