import { isIP } from 'node:net';
import { AppError } from '../../errors.ts';

/** The value of EVENT_STORE for an EventStoreDB. */
export interface EsdbUrl {
  /** For the client, with our defaults for options that the url does not set. It has the password: never log or show it. */
  readonly connectionString: string;
  /** The hosts of the url. The only part that a message may contain. */
  readonly hosts: string;
  /** It names several nodes, or a name that leads to all of them. */
  readonly namesAll: boolean;
}

const SCHEME = /^esdb(?:\+discover)?:\/\//;

/**
 * Appends and reads go to the leader: a follower may lag, and its answer would look like a truncated log. A connection that
 * died silently is noticed within 20 s.
 */
const defaults = (): Record<string, string> => ({
  connectionName: `xmpp-chat-${process.pid}`,
  keepAliveInterval: '10000',
  keepAliveTimeout: '10000',
  nodePreference: 'leader',
});

/** The client accepts `keepAliveInterval`, `keep_alive_interval` and so on. */
const flat = (key: string): string => key.toLowerCase().replace(/[_-]/g, '');

/** The options of the client. For any other it prints a warning that quotes the whole string, with the password. */
const OPTIONS =
  'connectionName defaultDeadline discoveryInterval gossipTimeout keepAliveInterval keepAliveTimeout maxDiscoverAttempts nodePreference tls tlsCAFile throwOnAppendFailure userCertFile userKeyFile'.split(
    ' ',
  );

const checkOption = (pair: string): void => {
  const [name = '', value = ''] = pair.split('=');
  const key = flat(name);
  if (key === 'tlsverifycert') {
    throw invalidUrl('tlsVerifyCert is not supported: name the certificate with tlsCAFile=PATH');
  }
  if (value !== '' && OPTIONS.some((option) => flat(option) === key)) return;
  throw invalidUrl(
    `the options after ? are NAME=VALUE, separated by &. The names are ${OPTIONS.join(', ')}`,
  );
};

/** The error for a wrong EVENT_STORE. It never quotes the value, which may contain a password. */
export const invalidUrl = (reason: string): AppError =>
  new AppError('invalid', `EVENT_STORE: ${reason}`, { field: 'EVENT_STORE' });

/** @throws {AppError} `invalid` */
export const parseEsdbUrl = (text: string): EsdbUrl => {
  const url = text.trim();
  const [scheme] = SCHEME.exec(url) ?? [];
  if (scheme === undefined) throw invalidUrl('it must begin with esdb:// or esdb+discover://');
  // A password may contain any character but @.
  const hosts = (url.slice(scheme.length).split('@').at(-1) ?? '').split(/[/?]/)[0] ?? '';
  if (hosts === '') throw invalidUrl('it names no host, as in esdb://HOST:2113');
  const far = hosts.split(',').some((host) => Number(/:(\d+)$/.exec(host)?.[1] ?? 0) > 65_535);
  if (far) throw invalidUrl('a port is from 0 to 65535');
  const [address = '', query = ''] = url.split(/\?(?=[^@]*$)/);
  const options = query === '' ? [] : query.split('&');
  options.forEach(checkOption);
  const names = new Set(options.map((pair) => flat(pair.split('=')[0] ?? '')));
  const insecure = options.some((pair) => {
    const [key = '', value] = pair.split('=');
    return flat(key) === 'tls' && value === 'false';
  });
  const numeric = hosts.split(',').find((host) => isIP(host.replace(/:\d*$/, '')) !== 0);
  if (!insecure && numeric !== undefined) {
    throw invalidUrl(
      `with TLS, ${numeric} must be a host name, because Node makes no TLS connection to an IP address: use a name from the server's certificate, or set tls=false`,
    );
  }
  const pairs = Object.entries(defaults())
    .filter(([key]) => !names.has(flat(key)))
    .map((pair) => pair.join('='));
  const all = [...options, ...pairs].join('&');
  const namesAll = scheme.includes('discover') || hosts.includes(',');
  return { connectionString: `${address.replace(/\/+$/, '')}?${all}`, hosts, namesAll };
};
