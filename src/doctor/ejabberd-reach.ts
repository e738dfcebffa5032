/** Whether ejabberd answers, asked once for all checks: so a cause is reported by one check alone. */
import { AppError } from '../errors.ts';
import type { HttpApi } from '../xmpp/admin/http-api.ts';
import type { Check } from './check.ts';

export interface EjabberdReach {
  /** Why the API cannot be used at all; null if it can. */
  apiFault(): Promise<AppError | null>;
  /** True if something accepts connections at EJABBERD_XMPP. */
  xmppConnects(): Promise<boolean>;
  /** True if neither the API nor EJABBERD_XMPP accepts connections. */
  isAway(): Promise<boolean>;
}

const once = <T>(ask: () => Promise<T>): (() => Promise<T>) => {
  let answer: Promise<T> | undefined;
  return () => {
    answer ??= ask();
    return answer;
  };
};

/** @param connect connects to EJABBERD_XMPP, and throws if that is not possible */
export function createEjabberdReach(
  api: Pick<HttpApi, 'knownVersion'>,
  connect: () => Promise<unknown>,
): EjabberdReach {
  const apiFault = once(() =>
    api.knownVersion().then(
      () => null,
      (error: unknown) => {
        if (error instanceof AppError) return error;
        throw error;
      },
    ),
  );
  const xmppConnects = once(() =>
    connect().then(
      () => true,
      () => false,
    ),
  );
  return {
    apiFault,
    xmppConnects,
    async isAway() {
      const fault = await apiFault();
      return fault?.details.reason === 'unreachable' && !(await xmppConnects());
    },
  };
}

/** A check that finds nothing while the API cannot be used: the check `ejabberd api` says so. */
export const needsApi = ({ apiFault }: Pick<EjabberdReach, 'apiFault'>, check: Check): Check => ({
  name: check.name,
  run: async (signal) => ((await apiFault()) ? [] : check.run(signal)),
});
