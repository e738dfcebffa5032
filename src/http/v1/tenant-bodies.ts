/** What the endpoints of tenants take and answer. */
import { z } from '@hono/zod-openapi';
import { Instance } from '../../actors/ids.ts';
import { restFaults } from '../../actors/tenant/rest-settings.ts';
import { ANY_INSTANCE, TenantSettings, TenantTemplate } from '../../actors/tenant/settings.ts';
import { ACCEPTED } from '../frame/commands.ts';

/** How long the keys of before can stay valid, in seconds: 30 days. */
export const MAX_OVERLAP_S = 30 * 86_400;

const {
  id: TenantName,
  apiKey,
  instance: _instance,
  callbackUrl,
  ...settings
} = TenantSettings.shape;

export const PutTenant = z
  .strictObject({
    ...settings,
    instance: z.union([z.literal(ANY_INSTANCE), Instance]).optional(),
    apiKey: apiKey.optional(),
    callbackUrl: z.string().optional(),
  })
  .superRefine((wish, { addIssue }) => {
    const isTemplate = wish.instance === ANY_INSTANCE;
    const address = isTemplate ? TenantTemplate.shape.callbackUrl : callbackUrl;
    for (const { message } of address.safeParse(wish.callbackUrl).error?.issues ?? []) {
      addIssue({ code: 'custom', path: ['callbackUrl'], message });
    }
    if (isTemplate && wish.apiKey !== undefined) {
      addIssue({ code: 'custom', path: ['apiKey'], message: 'a template has no key' });
    }
    for (const { field, message } of restFaults(wish)) {
      addIssue({ code: 'custom', path: [field], message });
    }
  })
  .openapi('PutTenant', {
    description:
      'All settings of the tenant, as in TENANTS_FILE without `id` (docs/configuration.md). What is left out gets its default. Without `apiKey` it keeps its keys',
  });

export const RotateKey = z
  .strictObject({
    apiKey: apiKey.optional().openapi({ description: 'The new key. Default: one is made' }),
    overlap: z
      .number()
      .int()
      .min(0)
      .max(MAX_OVERLAP_S)
      .openapi({ description: 'How long the key of before is valid, in seconds. 0 ends it now' }),
  })
  .openapi('RotateKey');

const {
  legacySecret: _legacy,
  callbackSecret: _callback,
  restKey: _rest,
  webhookKey: _webhook,
  ...shown
} = settings;
export const TenantView = z
  .object({
    ...shown,
    id: z.string(),
    instance: z.string().nullable().openapi({ description: '`*` for a template' }),
    callbackUrl: z.string().nullable().openapi({ description: 'Without user and password' }),
    hasCallbackSecret: z.boolean(),
    hasLegacySecret: z.boolean(),
    hasRestKey: z.boolean(),
    hasWebhookKey: z.boolean(),
    keys: z.array(
      z.object({
        until: z
          .number()
          .nullable()
          .openapi({ description: 'When it ends, in ms since 1970; null for the newest key' }),
      }),
    ),
    state: z.enum(['active', 'removing']),
    source: z.enum(['file', 'http', 'template']).openapi({ description: 'Who wrote it last' }),
    readOnly: z.boolean().openapi({ description: 'TENANTS_FILE declares it: change it there' }),
    removal: z.object({ step: z.string(), reason: z.string().nullable() }).nullable().openapi({
      description:
        'How far its removal is, and why the last try failed. null in processes that do not work on it',
    }),
  })
  .openapi('Tenant');

const Groups = z
  .object({ state: z.enum(['ready', 'pending']), reason: z.string().optional() })
  .openapi('TenantGroups', {
    description:
      'Its shared roster groups in ejabberd. `pending`: they are not there, or ejabberd does not say; they are made later',
  });

export const OneTenant = TenantView.extend({
  groups: Groups.nullable().openapi({ description: 'null for a template' }),
}).openapi('OneTenant');

export const CallbackTested = z
  .object({
    status: z.enum(['ok', 'warning', 'problem']),
    message: z.string().openapi({ example: 'LHC takes callbacks, in 12 ms' }),
    advice: z.string().optional().openapi({ description: 'What to do' }),
    httpStatus: z.number().nullable().openapi({ description: "Of LHC's answer; null without one" }),
    tookMs: z.number(),
    clockOffset: z
      .number()
      .nullable()
      .openapi({ description: "LHC's clock minus ours, in seconds; null if LHC did not say" }),
  })
  .openapi('CallbackTest');

export const Made = ACCEPTED.schema
  .extend({
    apiKey: z.string().optional().openapi({
      description:
        'The key that was made. Nobody can read it again: only the same request with the same `Idempotency-Key` is answered with it',
    }),
    groups: Groups.optional().openapi({ description: 'Not of a template, and not of a new key' }),
  })
  .openapi('AcceptedWithKey');

export { TenantName };
