import { isIP } from 'node:net';
import { AppError } from '../../errors.ts';

/** What EVENT_STORE says about an EventStoreDB. */
export interface EsdbUrl {
  /** For the client: with our defaults where the url says nothing. Holds the password: for no log and no message. */
  readonly connectionString: string;
  /** The hosts as they were given: all that a message may name. */
  readonly hosts: string;
}

const SCHEME = /^esdb(?:\+discover)?:\/\//;

/**
 * Defaults: appends and reads go to the leader (a follower may be behind, and an answer from the past would look like
 * a log that was cut off), and a connection that died without a word is found out within 20 s.
 */
const defaults = (): Record<string, string> => ({
  connectionName: `xmpp-chat-${process.pid}`,
  keepAliveInterval: '10000',
  keepAliveTimeout: '10000',
  nodePreference: 'leader',
});

/** The client takes `keepAliveInterval`, `keep_alive_interval` and so on. */
const flat = (key: string): string => key.toLowerCase().replace(/[_-]/g, '');

/** What the client knows. Of others it warns on the console, and quotes the whole string with the password. */
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
  throw invalidUrl(`after ? come NAME=VALUE and &, with the names ${OPTIONS.join(', ')}`);
};

/** What is wrong with EVENT_STORE; never quotes what was given, it may hold a password. */
export const invalidUrl = (reason: string): AppError =>
  new AppError('invalid', `EVENT_STORE: ${reason}`, { field: 'EVENT_STORE' });

/** @throws {AppError} `invalid` */
export const parseEsdbUrl = (text: string): EsdbUrl => {
  const url = text.trim();
  const [scheme] = SCHEME.exec(url) ?? [];
  if (scheme === undefined) throw invalidUrl('it must begin with esdb:// or esdb+discover://');
  // A password may hold anything but @.
  const hosts = (url.slice(scheme.length).split('@').at(-1) ?? '').split(/[/?]/)[0] ?? '';
  if (hosts === '') throw invalidUrl('it names no host, as in esdb://HOST:2113');
  const [address = '', query = ''] = url.split(/\?(?=[^@]*$)/);
  const options = query === '' ? [] : query.split('&');
  options.forEach(checkOption);
  const given = new Set(options.map((pair) => flat(pair.split('=')[0] ?? '')));
  const insecure = options.some((pair) => {
    const [key = '', value] = pair.split('=');
    return flat(key) === 'tls' && value === 'false';
  });
  const numeric = hosts.split(',').find((host) => isIP(host.replace(/:\d*$/, '')) !== 0);
  if (!insecure && numeric !== undefined) {
    throw invalidUrl(
      `with TLS, ${numeric} has to be a host name (Node makes no TLS connection to an IP address): give it a name that its certificate has, or say tls=false`,
    );
  }
  const pairs = Object.entries(defaults())
    .filter(([key]) => !given.has(flat(key)))
    .map((pair) => pair.join('='));
  const all = [...options, ...pairs].join('&');
  return { connectionString: `${address.replace(/\/+$/, '')}?${all}`, hosts };
};
