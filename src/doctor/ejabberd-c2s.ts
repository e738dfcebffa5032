/** The listener where visitors log in: its address, SASL PLAIN, its certificate, and the length of its queue. */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Config } from '../config/config.ts';
import { AppError, messageOf } from '../errors.ts';
import { type Check, type Finding, ok, problem, warning } from './check.ts';
import { isLoopback } from './ejabberd-api.ts';
import type { EjabberdReach } from './ejabberd-reach.ts';
import { addressOf, type Offer, probeStream } from './stream-probe.ts';

/** For one host. Shorter than the deadline of a check, so that a silent port is named. */
export const PROBE_DEADLINE_MS = 3_000;
export const CERTIFICATE_WARNING_DAYS = 14;
const DAY_MS = 86_400_000;

const COMPARE_ADDRESS =
  'compare EJABBERD_XMPP with the port and ip of its listener (ejabberd_c2s, or ejabberd_http with ejabberd_http_ws). Look at the firewall between';

type C2sConfig = Pick<Config['ejabberd'], 'xmpp' | 'allowPlaintext'>;

export const isWebSocket = (service: string): boolean => /^wss?:/.test(service);

export const c2sCheck = (
  config: C2sConfig,
  hosts: readonly string[],
  { isAway }: Pick<EjabberdReach, 'isAway'>,
): Check => ({
  name: 'ejabberd c2s',
  async run(signal) {
    if (await isAway()) return []; // the check of the API says so
    if (isWebSocket(config.xmpp)) {
      return [ok('EJABBERD_XMPP is a WebSocket: the test account tries it')];
    }
    const findings: Finding[] = [];
    for (const host of hosts) {
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(PROBE_DEADLINE_MS)]);
      try {
        const offer = await probeStream(config.xmpp, host, deadline);
        findings.push(...judgeOffer(host, offer, config, Date.now()));
      } catch (error) {
        // The address is the same for all hosts.
        const message = `nothing speaks XMPP at EJABBERD_XMPP: ${messageOf(error)}`;
        return [...findings, problem(message, COMPARE_ADDRESS)];
      }
    }
    return findings;
  },
});

/** @param now ms since 1970 */
export function judgeOffer(
  host: string,
  { refused, mechanisms, tls }: Offer,
  config: C2sConfig,
  now: number,
): Finding[] {
  if (refused) {
    const advice =
      refused === 'host-unknown'
        ? `add ${host} to "hosts" in ejabberd.yml, or correct the tenant's "host"`
        : "ejabberd's log says why";
    return [problem(`the listener refuses a stream to ${host}: ${refused}`, advice)];
  }
  return [
    judgeMechanisms(host, mechanisms),
    ...(tls ? [judgeCertificate(host, tls, now)] : judgePlaintext(config)),
  ];
}

function judgeMechanisms(host: string, mechanisms: readonly string[]): Finding {
  if (mechanisms.includes('PLAIN')) return ok(`${host}: SASL PLAIN is offered`);
  return problem(
    `${host}: SASL PLAIN is not offered (${mechanisms.join(', ') || 'nothing is'}). Visitors log in with it`,
    'remove PLAIN from disable_sasl_mechanisms, or give the service a listener of its own',
  );
}

function judgeCertificate(host: string, tls: NonNullable<Offer['tls']>, now: number): Finding {
  if (tls.fault !== null) {
    return problem(
      `the certificate for ${host} is not accepted: ${tls.fault}`,
      'give ejabberd a certificate with that name (certfiles), or name its authority in NODE_EXTRA_CA_CERTS',
    );
  }
  const days = Math.floor((tls.validTo - now) / DAY_MS);
  const message = `the certificate for ${host} is valid for ${days} days`;
  if (days >= CERTIFICATE_WARNING_DAYS) return ok(message);
  return warning(message, 'renew it, then ejabberdctl reload_config');
}

function judgePlaintext({ xmpp, allowPlaintext }: C2sConfig): Finding[] {
  if (isLoopback(new URL(xmpp).hostname)) return [];
  const message = 'EJABBERD_XMPP is another machine, and ejabberd offers no TLS';
  return [
    allowPlaintext
      ? warning(
          `${message}. Passwords go without encryption, because EJABBERD_XMPP_ALLOW_PLAINTEXT is set`,
          'make sure that nothing else is on that network',
        )
      : problem(
          `${message}. The service will not log in`,
          'give ejabberd a certificate (certfiles), or use xmpps://. On a private network you may set EJABBERD_XMPP_ALLOW_PLAINTEXT=true',
        ),
  ];
}

/** With ejabberd's default queue of 5, nine of ten connections wait for a second then (measured). */
export const BURST_CONNECTIONS = 64;
/** Linux asks again after 1 s when the queue of a listener was full. */
export const STALLED_MS = 900;
const STALLED_SHARE_ALLOWED = 1 / 20;

type ConnectMany = (service: string, count: number, signal: AbortSignal) => Promise<number[]>;

/** Connects once. @throws {AppError} `unavailable` */
export const connectOnce = (service: string): Promise<unknown> =>
  connectAtOnce(service, 1, AbortSignal.timeout(PROBE_DEADLINE_MS));

export const backlogCheck = (
  service: string,
  { xmppConnects }: Pick<EjabberdReach, 'xmppConnects'>,
  connectMany: ConnectMany = connectAtOnce,
): Check => ({
  name: 'ejabberd backlog',
  async run(signal) {
    // The check of the listener, or of the account for a WebSocket, says so.
    if (!(await xmppConnects())) return [];
    let times: readonly number[];
    try {
      times = await connectMany(service, BURST_CONNECTIONS, signal);
    } catch (error) {
      return [problem(messageOf(error), COMPARE_ADDRESS)];
    }
    const stalled = times.filter((ms) => ms > STALLED_MS).length;
    if (stalled <= BURST_CONNECTIONS * STALLED_SHARE_ALLOWED) {
      const slowest = Math.round(Math.max(...times));
      return [ok(`${BURST_CONNECTIONS} connections at once, the slowest took ${slowest} ms`)];
    }
    return [
      warning(
        `${stalled} of ${BURST_CONNECTIONS} connections at once waited for a second: the queue of the listener is too short, and many logins at once stall`,
        'set "backlog: 1024" on the ejabberd_c2s listener that EJABBERD_XMPP names (its default is 5). Look at net.core.somaxconn too',
      ),
    ];
  },
});

/**
 * @returns how long each connection took, in ms
 * @throws {AppError} `unavailable` when one is refused
 */
function connectAtOnce(service: string, count: number, signal: AbortSignal): Promise<number[]> {
  const connectTimed = async (): Promise<number> => {
    const from = performance.now();
    const socket = connect(addressOf(service));
    try {
      await once(socket, 'connect', { signal });
      return performance.now() - from;
    } catch (error) {
      throw new AppError('unavailable', `${service} cannot be reached: ${messageOf(error)}`);
    } finally {
      socket.destroy();
    }
  };
  return Promise.all(Array.from({ length: count }, connectTimed));
}
