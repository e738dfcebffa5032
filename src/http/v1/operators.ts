/** Operators: their registration, which is also their XMPP account, and how they are. */
import { z } from '@hono/zod-openapi';
import { Username } from '../../actors/ids.ts';
import { AppError } from '../../errors.ts';
import type { OperatorView } from '../../projections/operator-queries.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { ACCEPTED, accept, originOf } from '../frame/commands.ts';
import { type Api, endpoint } from '../frame/endpoint.ts';
import { operatorWithJid } from '../frame/jids.ts';
import { awaitPosition, ListQuery, OneQuery, pageSchema } from '../frame/reading.ts';
import { filledLine, line } from '../frame/text.ts';

/** A back office waits; several calls to ejabberd are made, each with a deadline of its own. */
const WITH_EJABBERD_MS = 30_000;

const Availability = z.enum(['offline', 'available', 'away', 'busy']);

const Operator = z
  .object({
    username: z.string(),
    jid: z.string(),
    lhcUserId: z.number(),
    name: z.string().nullable(),
    departments: z.array(z.string()),
    capacity: z.number().openapi({ description: 'Chats at the same time' }),
    free: z
      .number()
      .openapi({ description: 'Places that its capacity leaves: 0 when it has more' }),
    availability: Availability,
    onlineSince: z.number().nullable().openapi({
      description:
        'Since when it is anything but offline, in ms since 1970; null when it is offline',
    }),
    away: z.boolean().openapi({ description: 'It said itself that it wants no chats (`!away`)' }),
    unresponsive: z.boolean().openapi({
      description: 'Connected, but none of its clients answers pings: it counts as offline',
    }),
    sessions: z.array(
      z.object({
        resource: z.string(),
        show: z.enum(['available', 'chat', 'away', 'xa', 'dnd']).nullable(),
        status: z.string().nullable(),
        responsive: z.boolean(),
      }),
    ),
    chats: z.array(
      z.object({
        chatId: z.string(),
        visitor: z.string(),
        state: z.enum(['reserved', 'open']),
        since: z.number(),
      }),
    ),
    revision: z.number(),
  } satisfies Record<keyof OperatorView | 'jid', z.ZodType>)
  .openapi('Operator');

const LhcUserId = z.int().min(1).max(Number.MAX_SAFE_INTEGER);

/** What PUT takes; the command line reads its files by it too. */
export const PutOperator = z
  .strictObject({
    lhcUserId: LhcUserId.optional().openapi({
      description: 'The LHC user that it is; one that is another operator is refused (409)',
    }),
    name: filledLine(128)
      .optional()
      .openapi({ description: 'What contacts see; a new one without goes by its username' }),
    departments: z
      .array(filledLine(128))
      .max(100)
      .overwrite((names) => [...new Set(names)])
      .optional()
      .openapi({ description: 'Whose chats it is given; all of them, not those to add' }),
    capacity: z.int().min(1).max(1000).optional().openapi({
      description: "Chats at the same time; a new one without has the tenant's `routing.capacity`",
    }),
    password: z
      .string()
      .min(1, 'is empty')
      .max(256)
      // RFC 7622 §4.1: an OpaqueString has no control characters.
      .regex(/^[^\p{Cc}\p{Cs}]+$/u, 'holds a control character')
      .optional()
      .openapi({ format: 'password', description: 'Applied to ejabberd at once, kept nowhere' }),
    adopt: z.boolean().optional().openapi({
      description: 'Take over an account that exists already; with the admin token only',
    }),
  })
  .openapi('PutOperator');

/** The endpoints of operators. */
export function operators(api: Api, access: Access<Caller>): void {
  const { deps } = api;
  const { projections, operatorAccounts } = deps;
  const tag = 'Operators';
  const path = '/v1/{tenant}/operators/{username}';
  const params = z.object({ username: Username });

  endpoint(
    api,
    {
      method: 'put',
      path,
      operationId: 'putOperator',
      tag,
      summary: 'Register an operator, or change it',
      description: `Makes its XMPP account and puts it on the roster. A new operator needs \`lhcUserId\`, and a
\`password\` unless its account exists. Of one that is registered only what is sent changes: \`{ "password": "…" }\`
sets its password and nothing else, clients that are logged in stay so. An LHC user belongs to one operator: 409 says
which one has it. The same again changes nothing.`,
      access,
      params,
      body: PutOperator,
      command: true,
      success: ACCEPTED,
    },
    (call) => {
      const { caller, body } = call;
      const origin = { ...originOf(call), admin: caller.admin };
      const work = operatorAccounts.put(caller.tenant.id, call.params.username, body, origin);
      return accept(api, 'Register', work, WITH_EJABBERD_MS);
    },
  );

  endpoint(
    api,
    {
      method: 'delete',
      path,
      operationId: 'removeOperator',
      tag,
      summary: 'Remove an operator and its account',
      description: `Its clients are logged out, its account and its place on the roster are gone, and its chats go back to
the queue. Its LHC user and its username are free again when this is answered.`,
      access,
      params,
      command: true,
      success: ACCEPTED,
      problems: [404],
    },
    (call) => {
      const { tenant } = call.caller;
      const work = operatorAccounts.remove(tenant.id, call.params.username, originOf(call));
      return accept(api, 'Remove', work, WITH_EJABBERD_MS);
    },
  );

  endpoint(
    api,
    {
      method: 'get',
      path,
      operationId: 'getOperator',
      tag,
      summary: 'One operator',
      access,
      params,
      query: OneQuery,
      success: { status: 200, description: 'The operator', schema: Operator },
      problems: [404, 503],
    },
    async ({ caller: { tenant }, params: { username }, query }) => {
      await awaitPosition(deps, query);
      const operator = projections.operators.get(tenant.id, username);
      if (!operator) throw new AppError('not-found', 'this operator is not registered');
      return { status: 200, json: operatorWithJid(tenant, operator) };
    },
  );

  endpoint(
    api,
    {
      method: 'get',
      path: '/v1/{tenant}/operators',
      operationId: 'listOperators',
      tag,
      summary: 'Operators by username',
      access,
      query: ListQuery.extend({
        state: Availability.optional(),
        department: line(128).optional().openapi({
          description: 'Who names it; who names none serves all, and is not among these',
        }),
        lhcUserId: z.coerce.number().pipe(LhcUserId).optional().openapi({ type: 'integer' }),
        q: line(200).optional().openapi({ description: 'In the username or name' }),
      }),
      success: { status: 200, description: 'A page of them', schema: pageSchema(Operator) },
      problems: [503],
    },
    async ({ caller: { tenant }, query }) => {
      await awaitPosition(deps, query);
      const position = projections.position();
      const { items, next } = projections.operators.list({ ...query, tenant: tenant.id });
      const found = items.map((operator) => operatorWithJid(tenant, operator));
      return { status: 200, json: { items: found, next, position } };
    },
  );
}
