/** Operators: registration, which also makes the XMPP account, and queries. */
import { z } from '@hono/zod-openapi';
import { Username } from '../../actors/ids.ts';
import { line, MAX_NAME_CHARACTERS } from '../../actors/input-text.ts';
import { LhcUserId, OperatorRegistration } from '../../actors/operator/registration.ts';
import { AppError } from '../../errors.ts';
import { operatorWithJid } from '../../projections/jids.ts';
import type { OperatorView } from '../../projections/operator-queries.ts';
import type { Access, Caller } from '../frame/auth.ts';
import { ACCEPTED, answerCommand, originOf } from '../frame/commands.ts';
import { type Api, addEndpoint } from '../frame/endpoint.ts';
import {
  awaitPosition,
  ListQuery,
  MAX_SEARCH_CHARACTERS,
  pageSchema,
  SingleQuery,
} from '../frame/reading.ts';
import { addCommand } from '../frame/tenant-commands.ts';

/** A registration's answer at the latest: it makes several calls to ejabberd, each with a deadline of its own. */
export const REGISTRATION_DEADLINE_MS = 30_000;

const Availability = z.enum(['offline', 'available', 'away', 'busy']);

const Operator = z
  .object({
    username: z.string(),
    jid: z.string(),
    lhcUserId: z.number().nullable().openapi({
      description:
        'null: registered by an LHC that knows its operators by their usernames (the xmppservice wire)',
    }),
    name: z.string().nullable(),
    departments: z.array(z.string()),
    capacity: z.number().openapi({ description: 'Chats at the same time' }),
    tier: z.int().openapi({ description: 'Operators of tier 1 are asked first' }),
    tiers: z.record(z.string(), z.int()).openapi({
      description: 'By department, in place of `tier`',
    }),
    languages: z.array(z.string()).openapi({ description: 'BCP 47' }),
    free: z.number().openapi({
      description: 'Free places within the capacity; 0 if the operator has more chats',
    }),
    availability: Availability,
    onlineSince: z.number().nullable().openapi({
      description:
        'Since when the operator has not been offline, in ms since 1970; null if offline',
    }),
    away: z.boolean().openapi({ description: 'The operator wants no chats (`!away`)' }),
    unresponsive: z.boolean().openapi({
      description:
        "None of the clients that get the operator's messages answers pings: the operator counts as away, gets no new chats and keeps the open ones",
    }),
    sessions: z.array(
      z.object({
        resource: z.string(),
        show: z.enum(['available', 'chat', 'away', 'xa', 'dnd']).nullable(),
        status: z.string().nullable(),
        priority: z.number().openapi({
          description:
            'The clients with the highest priority get the messages (RFC 6121); those with a negative one never',
        }),
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

// A schema that was made before @hono/zod-openapi was loaded has no `openapi`: this one is made here.
const PutOperator = z.strictObject(OperatorRegistration.shape).openapi('PutOperator');

export function addOperatorEndpoints(api: Api, access: Access<Caller>): void {
  const { deps } = api;
  const { readModels, operatorAccounts } = deps;
  const tag = 'Operators';
  const path = '/v1/{tenant}/operators/{username}';
  const params = z.object({ username: Username });

  addCommand(
    api,
    {
      method: 'put',
      path,
      operationId: 'putOperator',
      tag,
      summary: 'Register or change an operator',
      description: `Makes the XMPP account and puts it on the roster. A new operator needs \`lhcUserId\`, and a
\`password\` unless the account exists. For a registered operator only the fields in the body change:
\`{ "password": "…" }\` sets the password and nothing else, and clients stay logged in. An LHC user belongs to one
operator; 409 names that operator. The same request again changes nothing.`,
      access,
      params,
      body: PutOperator,
      command: true,
      urgent: true,
      success: ACCEPTED,
    },
    (call) => {
      const { caller, body } = call;
      const origin = { ...originOf(api, call), admin: caller.admin };
      const work = operatorAccounts.put(caller.tenant.id, call.params.username, body, origin);
      return answerCommand(api, 'Register', work, REGISTRATION_DEADLINE_MS);
    },
  );

  addCommand(
    api,
    {
      method: 'delete',
      path,
      operationId: 'removeOperator',
      tag,
      summary: 'Remove an operator and the account',
      description: `Logs the operator's clients out, removes the account from ejabberd and from the roster, and puts the
operator's chats back into the queue. After the answer the LHC user and the username can be used again.`,
      access,
      params,
      command: true,
      urgent: true,
      success: ACCEPTED,
      problems: [404],
    },
    (call) => {
      const { tenant } = call.caller;
      const work = operatorAccounts.remove(tenant.id, call.params.username, originOf(api, call));
      return answerCommand(api, 'Remove', work, REGISTRATION_DEADLINE_MS);
    },
  );

  addEndpoint(
    api,
    {
      method: 'get',
      path,
      operationId: 'getOperator',
      tag,
      summary: 'One operator',
      access,
      params,
      query: SingleQuery,
      success: { status: 200, description: 'The operator', schema: Operator },
      problems: [404, 503],
    },
    async ({ caller: { tenant }, params: { username }, query }) => {
      const position = await awaitPosition(deps, query);
      const operator = await readModels.operators.get(tenant.id, username);
      if (!operator) throw new AppError('not-found', 'this operator is not registered');
      return { status: 200, json: operatorWithJid(tenant, operator), position };
    },
  );

  addEndpoint(
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
        department: line(MAX_NAME_CHARACTERS).optional().openapi({
          description:
            'Operators that list this department. Operators that list none serve all departments, and are not included',
        }),
        lhcUserId: z.coerce.number().pipe(LhcUserId).optional().openapi({ type: 'integer' }),
        q: line(MAX_SEARCH_CHARACTERS)
          .optional()
          .openapi({ description: 'A part of the username or name' }),
      }),
      success: { status: 200, description: 'A page of operators', schema: pageSchema(Operator) },
      problems: [503],
    },
    async ({ caller: { tenant }, query }) => {
      const position = await awaitPosition(deps, query);
      const { items, next } = await readModels.operators.list({ ...query, tenant: tenant.id });
      const operators = items.map((operator) => operatorWithJid(tenant, operator));
      return { status: 200, json: { items: operators, next, position } };
    },
  );
}
