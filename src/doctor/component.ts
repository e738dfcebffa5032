/**
 * The listener of components (EJABBERD_COMPONENT): does it take the domain of each host, and the secret? A running service
 * must not be disturbed, and ejabberd spreads what comes to a domain over all connections of it. So the doctor logs in by
 * a name of its own, below the domain. A listener with `hosts` does not take that (with the same answer as to a wrong
 * secret: `not-authorized`, measured on 23.01), so then the domain itself is tried, but only while no service runs.
 */
import type { Config } from '../config/config.ts';
import { messageOf } from '../errors.ts';
import { ComponentFailure, openComponentStream } from '../xmpp/component/stream.ts';
import { type Check, type Finding, ok, problem, warning } from './check.ts';
import type { ServicePort } from './service.ts';

/** For one connection. Shorter than the deadline of a check, so that a silent port is named. */
const PROBE_DEADLINE_MS = 2_000;
const CLOSE_DEADLINE_MS = 500;
/** No name of a process of the service. */
const OWN_NAME = 'doctor';

type Listener = NonNullable<Config['ejabberd']['component']>;

/** @param domains of tenants with the transport `component` */
export const componentCheck = (
  listener: Listener,
  domains: readonly string[],
  { allowPlaintext }: Pick<Config['ejabberd'], 'allowPlaintext'>,
  service: Pick<ServicePort, 'get'>,
): Check => ({
  name: 'ejabberd component',
  async run(signal) {
    const findings: Finding[] = [];
    for (const domain of domains) {
      const own = await outcomeOf(listener, `${OWN_NAME}.${domain}`, allowPlaintext, signal);
      if (own.condition === undefined) {
        findings.push(judge(domain, own));
        if (own.fault !== undefined) break; // the address is that of all
      } else if ((await service.get('/healthz')) === null) {
        findings.push(judge(domain, await outcomeOf(listener, domain, allowPlaintext, signal)));
      } else {
        findings.push(ok(`${domain} is not tried while the service runs. /readyz tells of it`));
      }
    }
    return findings;
  },
});

interface Outcome {
  /** Why there is no stream. */
  readonly fault?: string;
  /** Of the stream error. */
  readonly condition?: string | undefined;
}

async function outcomeOf(
  listener: Listener,
  domain: string,
  allowPlaintext: boolean,
  signal: AbortSignal,
): Promise<Outcome> {
  try {
    const stream = await openComponentStream(
      { listener, domain, allowPlaintext, deadlineMs: PROBE_DEADLINE_MS, signal },
      { stanza: () => undefined, lost: () => undefined },
    );
    await stream.close(CLOSE_DEADLINE_MS);
    return {};
  } catch (error) {
    const condition = error instanceof ComponentFailure ? error.condition : undefined;
    return { fault: messageOf(error), condition };
  }
}

function judge(domain: string, { fault, condition }: Outcome): Finding {
  if (fault === undefined) return ok(`the listener takes ${domain} and its secret`);
  if (condition === 'not-authorized' || condition === 'host-unknown') {
    return problem(
      `the listener of components does not take ${domain} with EJABBERD_COMPONENT_SECRET`,
      `compare the secret with the password of the ejabberd_service listener. If the listener has "hosts", ${domain} has to be there (ejabberd/README.md)`,
    );
  }
  if (condition !== undefined) {
    return warning(`the listener refuses ${domain}: ${condition}`, "ejabberd's log says why");
  }
  return problem(
    `no component can connect to EJABBERD_COMPONENT: ${fault}`,
    'compare it with the port, the ip and tls of the ejabberd_service listener. Look at the firewall between',
  );
}
