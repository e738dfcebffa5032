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
import { ACCEPTED, Accepted, answerCommand, originOf } from '../frame/commands.ts';
import { boundOf } from '../frame/crowd.ts';
import type { Api } from '../frame/endpoint.ts';
import { tooMany } from '../frame/problem.ts';
import { BooleanParameter } from '../frame/reading.ts';
import { addCommand } from '../frame/tenant-commands.ts';
import { addChatsInLhc } from './chats-in-lhc.ts';
import { PageView } from './visitor-bodies.ts';
import { addVisitorChats, type CommandVisitor } from './visitor-chats.ts';

const Visitor = z.object({ key: VisitorKey });

const Erased = Accepted.extend({
  erased: z
    .object({
      generation: z.int().openapi({ description: 'How often the visitor was erased' }),
      dataKeys: z.enum(['destroyed', 'pending']).openapi({
        description:
          'Whether the data keys are destroyed. `pending`: they will be, also if the service ends meanwhile',
      }),
    })
    .optional()
    .openapi({ description: 'With `erase=true`' }),
}).openapi('Erased');

/** The profile that a page view carries, without fields that are absent or empty. */
function profileOf(view: z.output<typeof PageView>): Profile {
  const fields = PROFILE_FIELDS.map((field) => [field, view[field] ?? ''] as const);
  // The values have the types of their fields: the body was parsed.
  return Object.fromEntries(fields.filter(([, value]) => value !== '')) as Profile;
}

export function addVisitorCommands(api: Api, access: Access<Caller>): void {
  const { actors, digestKey, eraseVisitor } = api.deps;
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
        language: body.language || null,
        delays: delaysOf(tenant),
        profile,
      };
      return commandVisitor(caller, params.key, command, originOf(api, call));
    },
  );

  addVisitorChats(api, access, commandVisitor);
  addChatsInLhc(api, access);

  const ofVisitor = { tag, access, params: Visitor, command: true, urgent: true, problems: [404] };
  addCommand(
    api,
    {
      ...ofVisitor,
      method: 'post',
      path: `${path}/timeout`,
      operationId: 'timeOutVisitor',
      summary: 'The visitor is gone',
      success: ACCEPTED,
    },
    (call) =>
      commandVisitor(call.caller, call.params.key, { type: 'TimeOut' }, originOf(api, call)),
  );

  addCommand(
    api,
    {
      ...ofVisitor,
      method: 'delete',
      path,
      operationId: 'cleanUpVisitor',
      summary: "Clean up now: close the visitor's chat and remove the account",
      description:
        'With `erase=true` everything personal of the visitor is erased, for good. The answer comes when it is decided: from then on nothing of it is shown or sent. Every process and file forgets it within a minute. Repeating it is harmless.',
      query: z.strictObject({
        erase: BooleanParameter.optional().openapi({
          description: 'Erase everything personal too. Default false',
        }),
      }),
      success: { ...ACCEPTED, schema: Erased },
    },
    async (call) => {
      const { caller, params, query } = call;
      const origin = originOf(api, call);
      if (!query.erase) return commandVisitor(caller, params.key, { type: 'CleanUp' }, origin);
      // Without the caller's key: a clean-up with the same key is another request, and an erasure is harmless to repeat.
      const { correlationId } = origin;
      const erasing = eraseVisitor(caller.tenant.id, params.key, { correlationId });
      const answer = await answerCommand(api, 'ErasePersonalData', erasing);
      const { generation, keysDestroyed } = await erasing;
      const dataKeys = keysDestroyed ? 'destroyed' : 'pending';
      return { ...answer, json: { ...(answer.json as object), erased: { generation, dataKeys } } };
    },
  );
}
