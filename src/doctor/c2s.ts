/** The listener that visitors log in at: reachable, PLAIN, a certificate that is good, and a queue that is long enough. */
import { messageOf } from '../errors.ts';
import { type Check, type Finding, ok, problem, warning } from './check.ts';
import { isLoopback } from './ejabberd-api.ts';
import type { Offer } from './stream-probe.ts';

const ADDRESS =
  'compare EJABBERD_XMPP with the port and ip of its listener (ejabberd_c2s, or ejabberd_http with ejabberd_http_ws), and look at the firewall between';
const DAY_MS = 86_400_000;
const EXPIRES_SOON_DAYS = 14;

export interface C2sPorts {
  /** EJABBERD_XMPP */
  readonly service: string;
  readonly allowPlaintext: boolean;
  readonly hosts: readonly string[];
  /** ms since 1970 */
  readonly now: () => number;
  probe(host: string, signal: AbortSignal): Promise<Offer>;
}

export const c2sCheck = (ports: C2sPorts): Check => ({
  name: 'ejabberd c2s',
  async run(signal) {
    if (/^wss?:/.test(ports.service)) {
      return [ok('EJABBERD_XMPP is a WebSocket: the test account tries it')];
    }
    const findings: Finding[] = [];
    for (const host of ports.hosts) {
      const offer = await ports.probe(host, signal).catch((error: Error) => error);
      if (offer instanceof Error) {
        findings.push(problem(`nobody speaks XMPP at EJABBERD_XMPP: ${offer.message}`, ADDRESS));
        return findings;
      }
      findings.push(...judgeOffer(host, offer, ports));
    }
    return findings;
  },
});

export function judgeOffer(
  host: string,
  { refused, mechanisms, tls }: Offer,
  { service, allowPlaintext, now }: Pick<C2sPorts, 'service' | 'allowPlaintext' | 'now'>,
): Finding[] {
  if (refused) {
    const advice =
      refused === 'host-unknown'
        ? `add ${host} to "hosts" in ejabberd.yml, or correct the tenant's "host"`
        : "look at ejabberd's log";
    return [problem(`the listener refuses a stream to ${host}: ${refused}`, advice)];
  }
  const findings: Finding[] = [];
  if (mechanisms.includes('PLAIN')) findings.push(ok(`${host}: SASL PLAIN is offered`));
  else {
    findings.push(
      problem(
        `${host}: SASL PLAIN is not offered (${mechanisms.join(', ') || 'nothing is'}), and visitors log in with it`,
        'take PLAIN out of disable_sasl_mechanisms, or give the service a listener of its own',
      ),
    );
  }
  findings.push(
    ...(tls ? judgeCertificate(host, tls, now()) : judgePlain(service, allowPlaintext)),
  );
  return findings;
}

function judgeCertificate(host: string, tls: NonNullable<Offer['tls']>, now: number): Finding[] {
  if (tls.fault !== null) {
    return [
      problem(
        `the certificate for ${host} is not accepted: ${tls.fault}`,
        'give ejabberd a certificate with that name (certfiles), or name its authority in NODE_EXTRA_CA_CERTS',
      ),
    ];
  }
  const days = Math.floor((tls.validTo - now) / DAY_MS);
  const message = `the certificate for ${host} is valid for ${days} days`;
  return [
    days < EXPIRES_SOON_DAYS
      ? warning(message, 'renew it; ejabberd reads it again by ejabberdctl reload_config')
      : ok(message),
  ];
}

function judgePlain(service: string, allowPlaintext: boolean): Finding[] {
  if (isLoopback(new URL(service).hostname)) return [];
  const message = 'EJABBERD_XMPP is another machine, and ejabberd offers no TLS';
  return allowPlaintext
    ? [
        warning(
          `${message}: passwords go in plain, as EJABBERD_XMPP_ALLOW_PLAINTEXT says`,
          'be sure that nothing else is on that network',
        ),
      ]
    : [
        problem(
          `${message}: the service will not log in`,
          'give ejabberd a certificate (certfiles), use xmpps://, or, on a private network, set EJABBERD_XMPP_ALLOW_PLAINTEXT=true',
        ),
      ];
}

/** Connections at once: with a queue of 5 (ejabberd's default) nine of ten then wait for a second (measured). */
const BURST = 64;
/** Linux asks again after 1 s when a listener's queue was full. */
const STALLED_MS = 900;

/** @param connects opens that many connections at once; how long each took, in ms */
export const backlogCheck = (
  connects: (count: number, signal: AbortSignal) => Promise<readonly number[]>,
): Check => ({
  name: 'ejabberd backlog',
  async run(signal) {
    let times: readonly number[];
    try {
      times = await connects(BURST, signal);
    } catch (error) {
      return [problem(messageOf(error), ADDRESS)];
    }
    const stalled = times.filter((ms) => ms > STALLED_MS).length;
    const slowest = Math.round(Math.max(...times));
    if (stalled <= BURST / 20)
      return [ok(`${BURST} connections at once, the slowest took ${slowest} ms`)];
    return [
      warning(
        `${stalled} of ${BURST} connections at once had to wait for a second: the listener's queue is too short, and bursts of logins stall`,
        'set "backlog: 1024" on the ejabberd_c2s listener that EJABBERD_XMPP names (its default is 5), and look at net.core.somaxconn',
      ),
    ];
  },
});
