/** What the page of the web client may load, run and connect to, as headers of its answers. */
import type { WebClient } from '../../actors/tenant/web-client-settings.ts';

/**
 * Converse.js 14.0.0 makes a style element for each of its 71 style sheets, whose rules are in its CSS file. Each is empty at
 * first, and then has the same few characters. These are the two hashes; an element with anything else is refused.
 */
const ITS_STYLE_ELEMENTS = [
  'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
  'sha256-JRf3eZJIF59VkE1tlxlBPiCQXjGJ1uE88pEYh49RtTY=',
];

/** The source of an address: the scheme, the name and the port (CSP 3 §2.3.1). */
const sourceOf = (address: string): string => {
  const { protocol, host } = new URL(address);
  return `${protocol}//${host}`;
};

/**
 * Files of this service alone, and one WebSocket. No inline script, and no text can become HTML but by the policies of
 * Trusted Types of lit, of DOMPurify and of ours (web-client/src/trusted-types.ts). Style attributes have to be allowed: lit
 * writes them, and Converse.js gives contacts their colours so.
 */
export function policyOf({ websocket, uploads, framedBy = [] }: WebClient): string {
  const connections = [websocket, uploads].filter((each) => each !== undefined).map(sourceOf);
  const frames = framedBy.map(sourceOf);
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' ${ITS_STYLE_ELEMENTS.map((hash) => `'${hash}'`).join(' ')}`,
    "style-src-attr 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self'",
    "media-src 'self'",
    ["connect-src 'self'", ...connections].join(' '),
    "base-uri 'none'",
    "form-action 'none'",
    `frame-ancestors ${frames.length > 0 ? frames.join(' ') : "'none'"}`,
    "require-trusted-types-for 'script'",
    "trusted-types lit-html dompurify default 'allow-duplicates'",
  ].join('; ');
}

/** Headers of every answer: of the page, and of what it is made of. */
export const COMMON_HEADERS = {
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
} as const;

/** Headers of the page. A frame has no opener, so COOP stays for pages that are in none. */
export const pageHeaders = (settings: WebClient): Readonly<Record<string, string>> => ({
  ...COMMON_HEADERS,
  'Content-Security-Policy': policyOf(settings),
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
});
