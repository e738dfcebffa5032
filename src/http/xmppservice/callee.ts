/** Whose call it is: the tenant and the person or group that a call names, and whether its key serves them. */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { Instance, Username, VisitorKey } from '../../actors/ids.ts';
import { BEING_REMOVED } from '../../actors/tenant/configuration.ts';
import { tenantsNotKnown } from '../../actors/tenant/directory.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { AppError, hasCode } from '../../errors.ts';
import { digestOf, hasDigest } from '../../kit/key-digest.ts';
import type { Called, LhcCall, Subject } from './call.ts';
import type { Holder, XmppserviceDeps } from './deps.ts';

/** The key is missing or wrong. */
export class NotAdmitted extends AppError {
  constructor() {
    super(
      'unauthorized',
      'the secret_key is missing or wrong: LEGACY_SECRET_KEY, or the legacySecret of the tenant, has to be that of LHC',
    );
  }
}

/** Whom a call names, before its tenant is known for certain. */
export interface Callee {
  readonly tenant: Tenant | null;
  /** Of an instance that no tenant has, on a host with a template. */
  readonly template: Holder | null;
  readonly instance: Instance | undefined;
  readonly subject: Subject;
}

/** `visitor.`, a key of a visitor, and the instance: no longer name fits anybody. */
const MAX_NAME_CHARACTERS = 160;
const MAX_KEY_CHARACTERS = 256;

// ASCII alone: the lower case of some other letters is a letter of ASCII.
const LocalPart = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9._-]*$/, 'has to be A-Z, 0-9, ., _ and -')
  .max(MAX_NAME_CHARACTERS, `is longer than ${MAX_NAME_CHARACTERS} characters`)
  .transform((name) => name.toLowerCase());
const Host = z
  .string()
  .regex(/^[A-Za-z0-9.-]+$/, 'has to be a domain name')
  .max(253, 'is longer than 253 characters')
  .transform((name) => name.toLowerCase());

const wrong = (field: string, reason: string): AppError =>
  new AppError('invalid', reason, { field });

function read<S extends z.ZodType>(schema: S, value: unknown, field: string): z.output<S> {
  if (typeof value !== 'string') throw wrong(field, 'is required, as a text');
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw wrong(field, parsed.error.issues[0]?.message ?? 'is wrong');
  return parsed.data;
}

/** A name of a person or a group, with its host. */
interface Name {
  readonly local: string;
  readonly host: string;
  /** The fields that have them. */
  readonly fields: { readonly local: string; readonly host: string };
}

function nameIn(about: LhcCall['about'], body: Readonly<Record<string, unknown>>): Name {
  if (about === 'jid') {
    const [local, host, ...more] = read(z.string(), body.jid, 'jid').split('@');
    if (host === undefined || more.length > 0) throw wrong('jid', 'has to be user@host');
    const fields = { local: 'jid', host: 'jid' };
    return { local: read(LocalPart, local, 'jid'), host: read(Host, host, 'jid'), fields };
  }
  return {
    local: read(LocalPart, body[about], about),
    host: read(Host, body.host, 'host'),
    fields: { local: about, host: 'host' },
  };
}

const suffixOf = ({ instance }: Tenant): string => (instance ? `.${instance}` : '');

/** @param name without the instance */
function subjectOf(about: LhcCall['about'], name: string, field: string): Subject {
  if (about === 'group') {
    if (name === 'visitors' || name === 'operators') return { kind: 'group', name };
    throw wrong(field, 'has to be visitors or operators, with the instance behind it');
  }
  if (name.startsWith('visitor.')) {
    return { kind: 'visitor', name: read(VisitorKey, name.slice('visitor.'.length), field) };
  }
  return { kind: 'operator', name: read(Username, name, field) };
}

/** What is compared where nobody has a key, so that it takes as long. No text has this digest. */
const NO_DIGEST = randomBytes(32).toString('base64url');

/** @returns finds out whose calls are */
export function createCallees({ tenants, instances, secretKey }: XmppserviceDeps) {
  const common = secretKey === undefined ? NO_DIGEST : digestOf(secretKey);
  const serves = (key: unknown, digest: string = NO_DIGEST): boolean => {
    const isText = typeof key === 'string' && key.length <= MAX_KEY_CHARACTERS;
    return hasDigest(isText ? key : '', [digest]) && isText;
  };

  /** The tenant that the name belongs to, or the template for it. */
  function holderOf({ local, host, fields }: Name) {
    const ofHost = tenants.ofHost(host);
    const tenant = ofHost.find((each) => local.endsWith(suffixOf(each)));
    if (tenant) return { tenant, template: null, instance: tenant.instance };
    if (!tenants.isComplete()) throw tenantsNotKnown();
    const template = instances.templateOf(host) ?? null;
    const instance = Instance.safeParse(local.slice(local.lastIndexOf('.') + 1));
    if (template && instance.success && local.includes('.')) {
      return { tenant: null, template, instance: instance.data };
    }
    const isKnown = ofHost.length > 0 || template !== null;
    throw isKnown
      ? wrong(fields.local, 'ends with no instance of this host')
      : wrong(fields.host, 'is no host of this service');
  }

  /** True if the key is of somebody on the host that the call names: they may read why the call is wrong. */
  function isOfHost(about: LhcCall['about'], body: Readonly<Record<string, unknown>>): boolean {
    const named = about === 'jid' ? body.jid : body.host;
    if (typeof named !== 'string') return false;
    const host = named.slice(named.lastIndexOf('@') + 1).toLowerCase();
    const template = instances.templateOf(host);
    const holders = [...tenants.ofHost(host), ...(template ? [template] : [])];
    return holders.some(({ legacyDigest }) => serves(body.secret_key, legacyDigest));
  }

  return {
    /**
     * Whom a call is about.
     * @throws {NotAdmitted}; {AppError} `invalid` with the field
     */
    find({ about }: LhcCall, body: unknown): Callee {
      const fields = z.record(z.string(), z.unknown()).safeParse(body).data ?? {};
      const isCommon = serves(fields.secret_key, common);
      try {
        const name = nameIn(about, fields);
        const holder = holderOf(name);
        const isOwn = serves(fields.secret_key, (holder.tenant ?? holder.template)?.legacyDigest);
        if (!isCommon && !isOwn) throw new NotAdmitted();
        const { instance } = holder;
        const own = instance ? name.local.slice(0, -instance.length - 1) : name.local;
        return { ...holder, subject: subjectOf(about, own, name.fields.local) };
      } catch (error) {
        if (hasCode(error, 'invalid') && !isCommon && !isOfHost(about, fields))
          throw new NotAdmitted();
        throw error;
      }
    },

    /** The tenant of the callee, which is made if the call makes it. */
    async resolve({ makesInstance }: LhcCall, callee: Callee): Promise<Called> {
      const { tenant, template, instance, subject } = callee;
      // Deletes go on: there is nothing else to do for whoever goes with their tenant.
      const isMade = makesInstance !== 'no';
      if (tenant?.removing && isMade) throw new AppError('refused', BEING_REMOVED);
      if (tenant || !template || !instance || !isMade) return { tenant, subject };
      const made = await instances.make(template.host, instance, makesInstance === 'again');
      if (made) return { tenant: made, subject };
      throw new AppError('refused', 'this instance was removed; its groups come first');
    },
  };
}
