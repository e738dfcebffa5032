/** What a visitor's browser and LHC do: view pages, chat (visitor-chats.ts), leave. */
import { z } from '@hono/zod-openapi';
import { VisitorKey } from '../../actors/ids.ts';
import { delaysOf } from '../../actors/tenant/machine.ts';
import type { VisitorCommand } from '../../actors/visitor/decisions.ts';
import type { Profile } from '../../actors/visitor/facts.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { ACCEPTED, accept, originOf } from '../frame/commands.ts';
import { type Api, endpoint } from '../frame/endpoint.ts';
import { createPageDigest } from './page-digest.ts';
import { PageView } from './visitor-bodies.ts';
import { type OrderVisitor, visitorChats } from './visitor-chats.ts';

/** For the bench, whose bare echo parses the same. */
export { PageView } from './visitor-bodies.ts';

const Visitor = z.object({ key: VisitorKey });

const TOLD = [
  'page',
  'title',
  'referrer',
  'nick',
  'country',
  'city',
  'timezone',
  'vid',
] as const satisfies (keyof Profile)[];

/** What was told, without what was left out or left empty. */
function profileOf(view: z.output<typeof PageView>): Profile {
  const profile: Profile = {};
  for (const name of TOLD) {
    const text = view[name];
    if (text) profile[name] = text;
  }
  if (view.visits !== undefined) profile.visits = view.visits;
  return profile;
}

/** The endpoints that command a visitor. */
export function visitorCommands(api: Api, access: Access<Caller>): void {
  const { deps } = api;
  const digestOf = createPageDigest(deps.digestKey);
  const tag = 'Visitors';
  const visitor = '/v1/{tenant}/visitors/{key}';

  const order: OrderVisitor = (caller, key, command, origin) =>
    accept(api, command.type, deps.actors.visitor(caller.tenant.id, key).send(command, origin));

  endpoint(
    api,
    {
      method: 'post',
      path: `${visitor}/page-views`,
      operationId: 'viewPage',
      tag,
      summary: 'The visitor views a page',
      description: 'It appears to the operators, or its status is brought up to date.',
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
      return order(caller, params.key, command, originOf(call));
    },
  );

  visitorChats(api, access, order);

  for (const leave of [
    {
      method: 'post',
      path: `${visitor}/timeout`,
      operationId: 'timeOutVisitor',
      summary: 'The visitor is gone',
      command: { type: 'TimeOut' },
    },
    {
      method: 'delete',
      path: visitor,
      operationId: 'cleanUpVisitor',
      summary: 'Clean up now: close its chat, remove its account',
      command: { type: 'CleanUp' },
    },
  ] as const) {
    const { command, ...spec } = leave;
    endpoint(
      api,
      { ...spec, tag, access, params: Visitor, command: true, success: ACCEPTED, problems: [404] },
      (call) => order(call.caller, call.params.key, command, originOf(call)),
    );
  }
}
