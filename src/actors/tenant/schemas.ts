/** Schemas of a tenant's commands and facts, for those that people write themselves (src/replay). */
import { z } from 'zod';
import { Username } from '../ids.ts';
import {
  type CommandSchemas,
  command,
  count,
  duration,
  type FactSchemas,
  fact,
  factWith,
  text,
  time,
} from '../machine/schemas.ts';
import { CannedName } from './canned-texts.ts';
import type { TenantCommand, TenantFacts, TenantPersonal } from './machine.ts';

const lhcUserId = z.int();
const json: z.ZodType<z.core.util.JSONType> = z.json();
const configuration = {
  source: z.enum(['file', 'http', 'template']),
  host: text,
  instance: text.nullable(),
  settings: z.record(text, json),
  sealed: text,
};
const SECRETS = {
  callbackUrl: text.exactOptional(),
  callbackSecret: text.exactOptional(),
  legacySecret: text.exactOptional(),
  restKey: text.exactOptional(),
  webhookKey: text.exactOptional(),
};
const keys = z.array(z.strictObject({ digest: text, until: time.nullable() }));

export const TENANT_COMMANDS = {
  PauseCallbacks: command('PauseCallbacks', { endpoint: text }),
  ResumeCallbacks: command('ResumeCallbacks', { endpoint: text }),
  ConfigureTenant: command('ConfigureTenant', {
    ...configuration,
    key: text.nullable(),
    firstKey: text.nullable(),
    secrets: z.strictObject(SECRETS),
    anew: z.boolean(),
  }),
  RotateTenantKey: command('RotateTenantKey', { key: text, overlapMs: duration }),
  BeginTenantRemoval: command('BeginTenantRemoval', { purge: z.boolean() }),
  ReportTenantRemoved: command('ReportTenantRemoved', {}),
  WithdrawTenant: command('WithdrawTenant', { revision: count }),
  ClaimLhcUser: command('ClaimLhcUser', {
    lhcUserId,
    username: Username,
    operatorRevision: z.int(),
    over: count.nullable(),
  }),
  SaveCannedText: command('SaveCannedText', {
    name: CannedName,
    text,
    fingerprint: text,
    by: Username.nullable(),
  }),
  RemoveCannedText: command('RemoveCannedText', { name: CannedName, by: Username.nullable() }),
} satisfies CommandSchemas<TenantCommand>;

export const TENANT_FACTS = {
  CallbacksPaused: fact({ endpoint: text }),
  CallbacksResumed: fact({ endpoint: text }),
  LhcUserClaimed: fact({ lhcUserId, username: Username, operatorRevision: z.int() }),
  CannedTextSaved: factWith(
    { name: CannedName, by: Username.nullable(), fingerprint: text },
    { text },
  ),
  CannedTextRemoved: fact({ name: CannedName, by: Username.nullable() }),
  TenantConfigured: factWith({ ...configuration, keys }, SECRETS),
  TenantKeysChanged: fact({ keys }),
  TenantRemovalBegun: fact({ purge: z.boolean() }),
  TenantRemoved: fact({ purged: z.boolean() }),
} satisfies FactSchemas<TenantFacts, TenantPersonal>;
