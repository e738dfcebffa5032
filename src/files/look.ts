/** Looks at a file of a tenant: where it may come from, by which way it is fetched, by which rules it is judged. */
import { isAtLhc, isUpload } from '../actors/tenant/file-settings.ts';
import type { Tenant } from '../actors/tenant/tenant.ts';
import type { CallbackGuard } from '../lhc/callback-guard.ts';
import type { FileChecks, Verdict } from './checks.ts';

/** How soon a lane asks again that waits for a verdict. */
export const FILE_LOOK_MS = 250;

/** What waits for a verdict says so. */
export const FILE_PENDING = 'a file is being looked at';

/**
 * The verdict about a file; `pending` while there is none.
 * @param from `uploads`: of an operator. `lhc`: of a visitor
 * @param file `id`: of the fact that has it, the same at each call
 */
export type LookAtFile = (
  tenant: Tenant,
  from: 'uploads' | 'lhc',
  file: { readonly id: string; readonly url: string; readonly name: string },
) => Verdict | 'pending';

/** Where nobody looks at files, none is passed on. */
export const LOOKS_AT_NOTHING: LookAtFile = () => ({
  kind: 'refused',
  reason: 'nobody looks at files here',
});

export const createLookAtFile =
  (options: {
    readonly checks: FileChecks;
    /** For tenants that TENANTS_FILE declares. */
    readonly fetch: typeof globalThis.fetch;
    /** For all others, as with callbacks. */
    readonly guard: Pick<CallbackGuard, 'fetch'>;
  }): LookAtFile =>
  (tenant, from, file) =>
    options.checks.verdict({
      ...file,
      tenant: tenant.id,
      settings: tenant.files,
      fetch: tenant.source === 'file' ? options.fetch : options.guard.fetch,
      mayBeAt: (url) => (from === 'uploads' ? isUpload(tenant, url) : isAtLhc(tenant, url)),
    });
