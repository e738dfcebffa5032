/** The setting `webClient`: a page of ours with an XMPP client in it, for operators who have none (docs/web-client.md). */
import { z } from 'zod';
import { describingLine } from '../input-text.ts';

/** Sites that may show the page in a frame, at most. */
const MAX_FRAMING_SITES = 10;
const MAX_TITLE_CHARACTERS = 64;

/** A name or an address, as a Content-Security-Policy has it: a `*` would be any host there. */
const HOST = /^([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])$/;
/** This machine: there a password needs no TLS. */
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** @param tls the scheme with TLS; @param plain the one without, for this machine alone */
function isAddress(text: string, tls: string, plain: string, hasPath: boolean): boolean {
  const url = URL.parse(text);
  if (!url || !HOST.test(url.hostname) || /[?#@\s]/.test(text)) return false;
  const isAllowed = url.protocol === tls || (url.protocol === plain && LOOPBACK.test(url.hostname));
  return isAllowed && (hasPath || url.pathname === '/');
}

const MAX_ADDRESS_CHARACTERS = 2_048;
const address = z.string().max(MAX_ADDRESS_CHARACTERS);
const socketAddress = address.refine(
  (text) => isAddress(text, 'wss:', 'ws:', true),
  'has to be an address with wss:// (ws:// on this machine alone), without user, ? and #',
);
const site = address.refine(
  (text) => isAddress(text, 'https:', 'http:', false),
  'has to be an address with https:// (http:// on this machine alone), without user and path',
);

const title = describingLine(MAX_TITLE_CHARACTERS);

/** A tenant without it has no page. */
export const WebClient = z.strictObject({
  enabled: z.boolean('has to be true or false, without quotes'),
  /** ejabberd's WebSocket (RFC 7395), as browsers reach it. Default: /ws of the host that the page comes from. */
  websocket: socketAddress.optional(),
  /** Where ejabberd takes files (XEP-0363). The page may connect to no other host. */
  uploads: site.optional(),
  /** The name of the page. Default: the tenant's host. */
  title: z
    .string()
    .min(1)
    .max(MAX_TITLE_CHARACTERS)
    .refine((text) => title.parse(text) === text, 'has a space at an end, or a control character')
    .optional(),
  /** The language of the page. Default: the browser's. */
  language: z
    .string()
    .regex(/^[a-z]{2,3}(_[A-Z]{2})?$/, 'has to be a language such as de or pt_BR')
    .optional(),
  /** Sites that may show the page in a frame, such as LHC's. Default: none. */
  framedBy: z.array(site).max(MAX_FRAMING_SITES).optional(),
});
export type WebClient = z.infer<typeof WebClient>;
