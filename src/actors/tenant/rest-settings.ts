/** What `callbackFlavour: rest` needs of a tenant's other settings: LHC without an extension, by its REST API. */
import { ANY_INSTANCE, type TenantSettings } from './settings.ts';

const FIELDS = ['restUser', 'restKey', 'webhookKey'] as const;

type RestSettings = Partial<
  Pick<TenantSettings, 'callbackFlavour' | 'callbackUrl' | (typeof FIELDS)[number]>
> & { readonly instance?: string | undefined };

/** A setting that does not fit the others. */
export interface SettingFault {
  readonly field: string;
  readonly message: string;
}

/** @param settings each of which is right by itself */
export function restFaults(settings: RestSettings): SettingFault[] {
  const { callbackFlavour, callbackUrl, instance } = settings;
  if (callbackFlavour !== 'rest') {
    return FIELDS.filter((field) => settings[field] !== undefined).map((field) => ({
      field,
      message: 'is of use with callbackFlavour "rest" alone',
    }));
  }
  if (instance === ANY_INSTANCE) {
    const message = 'cannot be "rest" in a template: each LHC has a REST key of its own';
    return [{ field: 'callbackFlavour', message }];
  }
  const missing = (['callbackUrl', ...FIELDS] as const)
    .filter((field) => settings[field] === undefined)
    .map((field) => ({ field, message: 'is missing: callbackFlavour "rest" needs it' }));
  if (callbackUrl === undefined || !/[?#]/.test(callbackUrl)) return missing;
  const message = 'has to be the address of LHC alone, without ? and #';
  return [...missing, { field: 'callbackUrl', message }];
}
