/**
 * Commands of a visitor's browser and of LHC: page views, chats (visitor-chats.ts), the end of a visit. The folder has one
 * file for each resource of a tenant's API; only src/http/app.ts imports the files.
 */
import { z } from '@hono/zod-openapi';
import { VisitorKey } from '../../actors/ids.ts';
import { delaysOf } from '../../actors/tenant/settings.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { VisitorCommand } from '../../actors/visitor/decisions.ts';
import { PROFILE_FIELDS, type Profile } from '../../actors/visitor/profile.ts';
import { createPageDigest } from '../../runtime/page-digest.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { ACCEPTED, answerCommand, originOf } from '../frame/commands.ts';
import { boundOf } from '../frame/crowd.ts';
import type { Api } from '../frame/endpoint.ts';
import { tooMany } from '../frame/problem.ts';
import { addCommand } from '../frame/tenant-commands.ts';
import { addChatsInLhc } from './chats-in-lhc.ts';
import { PageView } from './visitor-bodies.ts';
import { addVisitorChats, type CommandVisitor } from './visitor-chats.ts';

const Visitor = z.object({ key: VisitorKey });

/** The profile that a page view carries, without fields that are absent or empty. */
function profileOf(view: z.output<typeof PageView>): Profile {
  const fields = PROFILE_FIELDS.map((field) => [field, view[field] ?? ''] as const);
  // The values have the types of their fields: the body was parsed.
  return Object.fromEntries(fields.filter(([, value]) => value !== '')) as Profile;
}

export function addVisitorCommands(api: Api, access: Access<Caller>): void {
  const { actors, digestKey } = api.deps;
  const digestOf = createPageDigest(digestKey);
  const tag = 'Visitors';
  const path = '/v1/{tenant}/visitors/{key}';

  /** A visitor who is not here may not come now. */
  async function turnedAway(tenant: Tenant, key: VisitorKey, withChat: boolean) {
    const bound = await boundOf(api.deps, tenant, key, withChat);
    if (!bound) return null;
    const { setting, retryAfterS } = bound;
    api.overBounds.note(tenant.id, setting);
    const detail = `this tenant has no place for another visitor now (${setting}: ${tenant[setting]})`;
    return tooMany(detail, retryAfterS);
  }

  const commandVisitor: CommandVisitor = async ({ tenant }, key, command, origin) => {
    const { type } = command;
    if (type === 'ViewPage' || type === 'StartChat') {
      const refusal = await turnedAway(tenant, key, type === 'StartChat');
      if (refusal) return refusal;
    }
    return answerCommand(api, type, actors.visitor(tenant.id, key).send(command, origin));
  };

  addCommand(
    api,
    {
      method: 'post',
      path: `${path}/page-views`,
      operationId: 'viewPage',
      tag,
      summary: 'The visitor views a page',
      description: 'The visitor appears to the operators, or gets a new status.',
      access,
      params: Visitor,
      body: PageView,
      command: true,
      success: ACCEPTED,
    },
    (call) => {
      const { caller, params, body } = call;
      const { tenant } = caller;
      const profile = profileOf(body);
      const department = body.department || null;
      const command: VisitorCommand = {
        type: 'ViewPage',
        digest: digestOf(tenant.id, params.key, department, profile),
        department,
        delays: delaysOf(tenant),
        profile,
      };
      return commandVisitor(caller, params.key, command, originOf(api, call));
    },
  );

  addVisitorChats(api, access, commandVisitor);
  addChatsInLhc(api, access);

  for (const { command, ...spec } of [
    {
      method: 'post',
      path: `${path}/timeout`,
      operationId: 'timeOutVisitor',
      summary: 'The visitor is gone',
      command: { type: 'TimeOut' },
    },
    {
      method: 'delete',
      path,
      operationId: 'cleanUpVisitor',
      summary: "Clean up now: close the visitor's chat and remove the account",
      command: { type: 'CleanUp' },
    },
  ] as const) {
    addCommand(
      api,
      {
        ...spec,
        tag,
        access,
        params: Visitor,
        command: true,
        urgent: true,
        success: ACCEPTED,
        problems: [404],
      },
      (call) => commandVisitor(call.caller, call.params.key, command, originOf(api, call)),
    );
  }
}
