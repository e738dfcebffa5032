/** A tenant's two shared roster groups: each has to display the other, or contacts stay grey. */
import { z } from 'zod';
import { rosterGroups } from '../actors/ids.ts';
import type { TenantSettings } from '../actors/tenant/machine.ts';
import { AppError } from '../errors.ts';
import type { HttpApi } from '../xmpp/admin/http-api.ts';
import { type Check, type Finding, ok, problem, warning } from './check.ts';
import { apiProblem } from './ejabberd-api.ts';

const Info = z.array(z.object({ key: z.string(), value: z.unknown() }));

const MENDS = 'the service makes and mends its groups when it starts: restart it';

export const groupsCheck = (api: HttpApi, tenant: TenantSettings): Check => ({
  name: `groups ${tenant.id}`,
  async run() {
    const { host } = tenant;
    const { visitors, operators } = rosterGroups(tenant);
    const asked = await Promise.all([
      api.call('srg_get_info', { group: visitors, host }, Info),
      api.call('srg_get_info', { group: operators, host }, Info),
      api.call('srg_get_members', { group: operators, host }, z.array(z.string())),
    ]).catch((error: unknown) => error);
    if (!Array.isArray(asked)) return [failed(asked, host)];
    const [ofVisitors, ofOperators, members] = asked;
    if (ofVisitors.length === 0 && ofOperators.length === 0) {
      const message = `the shared roster groups ${visitors} and ${operators} of ${host} are not there`;
      return [
        problem(message, `${MENDS}; if that does not help, load mod_shared_roster for ${host}`),
      ];
    }
    return [
      judgeGroup(host, { group: visitors, info: ofVisitors, other: operators }),
      judgeGroup(host, { group: operators, info: ofOperators, other: visitors }),
      members.length > 0
        ? ok(`${operators} has ${members.length} members`)
        : warning(
            `${operators} of ${host} has no members: nobody sees the visitors`,
            `register operators: PUT /v1/${tenant.id}/operators/{username}`,
          ),
    ];
  },
});

function failed(error: unknown, host: string): Finding {
  // 500 internal_error: the module is not there, and ejabberd does not say so (tried on 23.01).
  if (error instanceof AppError && error.details.status === 500) {
    return problem(
      error.message,
      `load mod_shared_roster for ${host} ("modules" of ejabberd/ejabberd.example.yml), then ejabberdctl reload_config; if it is loaded, ejabberd's log says why`,
    );
  }
  return apiProblem(error);
}

function judgeGroup(
  host: string,
  { group, info, other }: { group: string; info: z.infer<typeof Info>; other: string },
): Finding {
  if (info.length === 0)
    return problem(`the shared roster group ${group} of ${host} is not there`, MENDS);
  // A string on 23.01, a list or an Erlang term in a string elsewhere: the names are all that counts.
  const value = info.find(({ key }) => key === 'displayed_groups')?.value;
  const shown: readonly string[] = JSON.stringify(value ?? '').match(/[a-z0-9_.-]+/g) ?? [];
  if (shown.includes(other)) return ok(`${group} displays ${other}`);
  return problem(
    `${group} of ${host} does not display ${other}: operators see their visitors not at all, or grey`,
    `${MENDS}, and find out who changed the group (each has to display the other)`,
  );
}
