/** The variables of the environment: which values each one takes. */
import { z } from 'zod';
import { LegacySecret } from '../actors/tenant/settings.ts';
import { messageOf } from '../errors.ts';
import { parseEsdbUrl } from '../eventstore/esdb/url.ts';
import { isAddressRange } from '../kit/address-ranges.ts';
import { isBearerToken, NO_BEARER_TOKEN } from '../kit/bearer.ts';
import { fetchFault } from '../kit/fetch-url.ts';
import { SECRET_MIN_CHARACTERS } from '../runtime/vault/secrets.ts';
import { WebhookSecrets } from './secrets.ts';

export const DEFAULT_LISTEN = '127.0.0.1:8090';
/** Where LHC's xmppservice extension looks for its Node server, unless it is told otherwise. */
export const DEFAULT_LEGACY_LISTEN = '127.0.0.1:4567';
export const DEFAULT_XMLRPC_LISTEN = '127.0.0.1:4560';
export const DEFAULT_DATA_DIR = './data';
export const DEFAULT_DEADLINE_GRACE_S = 30;
const LONGEST_GRACE_S = 86_400;
const ADMIN_TOKEN_MIN_LENGTH = 16;

const LISTEN_FORM = 'has to be HOST:PORT with a port from 0 to 65535, such as 127.0.0.1:8090';
const listen = (form: string) =>
  z
    .string()
    .regex(/^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$/, form)
    .transform((text) => {
      const colon = text.lastIndexOf(':');
      return {
        host: text.slice(0, colon).replace(/^\[|\]$/g, ''),
        port: Number(text.slice(colon + 1)),
      };
    })
    .refine(({ port }) => port <= 65_535, form);
export const Listen = listen(LISTEN_FORM);

const LISTEN_OR_OFF_FORM = `${LISTEN_FORM}, or off`;
/** An address, or `off`. */
const ListenOrOff = z.union([z.literal('off'), listen(LISTEN_OR_OFF_FORM)], LISTEN_OR_OFF_FORM);

/** Hosts that xmpp.js can connect to. */
const XMPP_HOST = /^([\w.-]+|\[::1\])$/;

/** A name, or `*.` and a name for those below it. A name whose last part is a number would be an address (WHATWG URL). */
const ALLOWED_HOST = /^(\*\.)?([a-z0-9_-]+\.)*(?!\d+$)[a-z0-9_-]+$/;

const CallbackAllow = z
  .string()
  .transform((text) => text.split(',').map((each) => each.trim().toLowerCase()))
  .refine(
    (targets) => targets.every((each) => isAddressRange(each) || ALLOWED_HOST.test(each)),
    'has to be names of hosts, addresses and ranges such as 10.0.0.0/8, separated by commas; *.example.org stands for all names below example.org',
  )
  .transform((targets) => ({
    hosts: targets.filter((each) => !isAddressRange(each)),
    ranges: targets.filter(isAddressRange),
  }));

const SCANNER_FORM =
  'has to be clamd://HOST:PORT, clamd:///PATH of a socket, or a URL with https:// or http://';

/** What src/files/scanner.ts can ask. */
const FileScanner = z
  .url({ protocol: /^(clamd|https?)$/, abort: true, error: SCANNER_FORM })
  .superRefine((url, { addIssue }) => {
    const { protocol, hostname, pathname, username, password } = new URL(url);
    const isForm =
      protocol !== 'clamd:' || (hostname === '' ? pathname.length > 1 : pathname.length < 2);
    const fault = isForm ? (protocol === 'clamd:' ? null : fetchFault(url)) : SCANNER_FORM;
    if (username || password) {
      addIssue({ code: 'custom', message: 'has a user or password in it' });
    } else if (fault !== null) addIssue({ code: 'custom', message: fault });
  });

const AddressRanges = z
  .string()
  .transform((text) => text.split(',').map((each) => each.trim()))
  .refine(
    (ranges) => ranges.every(isAddressRange),
    'has to be addresses and ranges such as 10.0.0.0/8, separated by commas',
  );

const COMPONENT_FORM =
  "has to be tcp:// or tls:// with the host and the port of ejabberd's component listener, such as tcp://127.0.0.1:5347";

function isComponentAddress(text: string): boolean {
  const { hostname, port, username, password, pathname, search, hash } = new URL(text);
  const isBare = username === '' && password === '' && search === '' && hash === '';
  return isBare && hostname !== '' && port !== '' && (pathname === '' || pathname === '/');
}

const GRACE_FORM = `has to be a whole number from 0 to ${LONGEST_GRACE_S} (seconds)`;
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

function withoutCredentials(url: string): boolean {
  const { username, password } = new URL(url);
  return username === '' && password === '';
}

function canBeDecoded(url: string): boolean {
  const { username, password } = new URL(url);
  try {
    decodeURIComponent(username + password);
    return true;
  } catch {
    return false;
  }
}

const hasNoEnds = (url: string): boolean => !/[?#]/.test(url);

/** Why this event store could never be opened; null if it perhaps can. */
function eventStoreFault(url: string): string | null {
  const path = /^sqlite:(.*)$/s.exec(url)?.[1];
  // SQLite would keep these in memory, or elsewhere.
  if (path) return /^(:|file:|\s)|\s$/.test(path) ? 'has to name a file behind sqlite:' : null;
  try {
    parseEsdbUrl(url);
    return null;
  } catch (error) {
    return messageOf(error).replace(/^EVENT_STORE: /, '');
  }
}

/** Spaces at the ends are a slip that makes another file or folder. */
const Path = z
  .string()
  .min(1)
  .refine((path) => path.trim() === path, 'begins or ends with a space');

/** The variables. What docs/configuration.md says of them is compared with this by a test. */
export const Environment = z.object({
  LISTEN: Listen.prefault(DEFAULT_LISTEN),
  DATA_DIR: Path.default(DEFAULT_DATA_DIR),
  EVENT_STORE: z
    .string()
    .regex(/^(sqlite:.|esdb(\+discover)?:\/\/.)/, {
      error: 'has to be sqlite:PATH, esdb://… or esdb+discover://…',
      abort: true,
    })
    .superRefine((url, { addIssue }) => {
      const message = eventStoreFault(url);
      if (message !== null) addIssue({ code: 'custom', message });
    })
    .optional(),
  ADMIN_TOKEN: z
    .string()
    .min(ADMIN_TOKEN_MIN_LENGTH)
    .refine(isBearerToken, NO_BEARER_TOKEN)
    .optional(),
  SERVICE_SECRET: z
    .string()
    .transform((text) => text.split(',').map((each) => each.trim()))
    .refine(
      (secrets) => secrets.every((each) => each.length >= SECRET_MIN_CHARACTERS),
      `has to have at least ${SECRET_MIN_CHARACTERS} characters. Several such secrets have a comma between them, and the new one is first`,
    )
    .refine((secrets) => new Set(secrets).size === secrets.length, 'has the same secret twice')
    .optional(),
  EJABBERD_API_URL: z
    .url({
      protocol: /^https?$/,
      abort: true,
      error: 'has to be a URL with http:// or https://, such as http://127.0.0.1:5280/api',
    })
    // The URL appears in messages, and fetch refuses a URL with a password.
    .refine(
      withoutCredentials,
      'has a user or password in it: set EJABBERD_API_USER and EJABBERD_API_PASSWORD instead',
    )
    .refine(hasNoEnds, 'has a ? or # in it: names of commands are written behind it')
    .superRefine((url, { addIssue }) => {
      const message = fetchFault(url);
      if (message !== null) addIssue({ code: 'custom', message });
    })
    .transform((url) => new URL(url).href),
  EJABBERD_API_USER: z
    .string()
    // RFC 7622 §3.3. In Basic authentication a colon would end the user (RFC 7617 §2).
    .regex(
      /^[^@\s"&'/:<>]+@[^@\s/:]+$/,
      'has to be a JID with its host, such as xmpp-chat-api@example.org',
    ),
  EJABBERD_API_PASSWORD: z.string().min(1),
  EJABBERD_XMPP: z
    .url({
      protocol: /^(xmpps?|wss?)$/,
      abort: true,
      error:
        'has to be xmpp://, xmpps://, ws:// or wss:// with a host and perhaps a port, such as xmpp://127.0.0.1:5222',
    })
    .refine(
      (text) => /^wss?:/i.test(text) || XMPP_HOST.test(new URL(text).hostname),
      'has to have a host, as in xmpp://127.0.0.1:5222: a name in ASCII, an IPv4 address or [::1]',
    )
    .refine(
      withoutCredentials,
      'has a user or password in it: visitors log in with accounts of their own',
    )
    .refine((text) => !text.includes('#'), 'has a # in it') // WebSocket refuses it
    .transform((text) => new URL(text).href), // xmpp.js knows schemes in lower case
  EJABBERD_XMPP_ALLOW_PLAINTEXT: z.stringbool({ error: 'has to be true or false' }).default(false),
  EJABBERD_COMPONENT: z
    .url({ protocol: /^(tcp|tls)$/, abort: true, error: COMPONENT_FORM })
    .refine(isComponentAddress, COMPONENT_FORM)
    .transform((text) => {
      const { hostname, port, protocol } = new URL(text);
      const host = hostname.replace(/^\[|\]$/g, '');
      return { host, port: Number(port), tls: protocol === 'tls:' };
    })
    .optional(),
  EJABBERD_COMPONENT_SECRET: z.string().min(1).optional(),
  EJABBERD_WEBHOOK_SECRET: WebhookSecrets,
  TENANTS_FILE: Path.optional(),
  REDIS_URL: z
    .url({
      protocol: /^rediss?$/,
      abort: true,
      error: 'has to be redis:// or rediss:// with a host, such as redis://127.0.0.1:6379',
    })
    .refine(canBeDecoded, 'has a % in its user or password that begins no escape: write %25 for %')
    .refine(hasNoEnds, 'has a ? or # in it')
    .optional(),
  TAKE_OVER_FROM: z
    .string()
    .transform((text) => text.split(',').map((each) => each.trim().toLowerCase()))
    .refine(
      (logs) => logs.every((each) => each === 'none' || z.uuid().safeParse(each).success),
      'has to be ids of logs, as /readyz names them, or none; several are separated by commas',
    )
    .default([]),
  CALLBACK_ALLOW: CallbackAllow.default({ hosts: [], ranges: [] }),
  FILE_SCANNER: FileScanner.optional(),
  DEADLINE_GRACE: z
    .string()
    .regex(/^\d{1,6}$/, GRACE_FORM)
    .transform(Number)
    .refine((seconds) => seconds <= LONGEST_GRACE_S, GRACE_FORM)
    .prefault(String(DEFAULT_DEADLINE_GRACE_S)),
  LEGACY_LISTEN: ListenOrOff.optional(),
  LEGACY_SECRET_KEY: LegacySecret.optional(),
  LEGACY_CALLBACKS_FROM: AddressRanges.default([]),
  XMLRPC_LISTEN: ListenOrOff.optional(),
  XMLRPC_PASSWORD: z.string().min(1).optional(),
  LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
});
