/** One path of the old Node server's API. */
import { z } from 'zod';
import type { Username, VisitorKey } from '../../actors/ids.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';

/** Whom or what a call is about. */
export type Subject =
  | { readonly kind: 'visitor'; readonly name: VisitorKey }
  | { readonly kind: 'operator'; readonly name: Username }
  | { readonly kind: 'group'; readonly name: string };

/** The subject of a call, with its tenant. */
export interface Called<S extends Subject = Subject> {
  /** null: an instance that is not known, at a call that makes none. */
  readonly tenant: Tenant | null;
  readonly subject: S;
}

export interface LhcCall {
  readonly path: string;
  /** The fields of the body that say whom it is about: `user` and `host`, one JID, or `group` and `host`. */
  readonly about: 'user' | 'jid' | 'group';
  /** Whether an instance that is not known is made, if its host has a template. `again`: also one that was removed. */
  readonly makesInstance: 'no' | 'once' | 'again';
  /** The success is the text `ok`. */
  readonly text: boolean;
  /** True for what goes before page views of a tenant that sends too many. */
  readonly urgent: boolean;
  readonly body: z.ZodType;
  /** @throws {AppError} with a reason for an administrator of LHC */
  carryOut(called: Called, body: unknown): Promise<void>;
}

/** A path with the type of its body. */
export const lhcCall = <B extends z.ZodType>(
  call: Omit<LhcCall, 'body' | 'carryOut'> & {
    readonly body: B;
    carryOut(called: Called, body: z.output<B>): Promise<void>;
  },
): LhcCall => ({
  ...call,
  // The app has parsed the body with this call's own schema.
  carryOut: (called, body) => call.carryOut(called, body as z.output<B>),
});

/** A field that is there for other versions of the extension, or says the same as another one. */
export const unused = z.unknown().optional();

/** What the extension makes as a visitor's password. The service derives its own, so it is looked at and forgotten. */
export const VisitorPassword = z
  .string()
  .regex(/^[0-9a-f]{20}$/, 'has to be 20 characters of 0-9 and a-f, as LHC makes them');
