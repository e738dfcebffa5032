/** Which files a tenant passes on, and which links in what people write are files (docs/adr/0061). */
import { z } from 'zod';
import { fetchFault } from '../../kit/fetch-url.ts';
import { count } from './numbers.ts';

/** What a file can be. `src/files/forms.ts` says how each one is known. */
export const FILE_KINDS = ['picture', 'pdf', 'text', 'audio', 'video'] as const;
export type FileKind = (typeof FILE_KINDS)[number];

export const DEFAULT_FILE_MAX_BYTES = 10_485_760;
/** The highest `maxBytes`: a file is in memory while it is looked at. */
export const FILE_MOST_BYTES = 52_428_800;
export const DEFAULT_FILES_PER_MINUTE = 60;
/** Files of one message at most; links beyond are text. */
export const MESSAGE_MAX_FILES = 10;
/** A file's URL at most, in UTF-16 units. */
export const FILE_URL_MAX_CHARACTERS = 2_048;
/** Places that a tenant may name for each direction. */
const MAX_PLACES = 10;

/** The beginning of addresses: whole segments of a path, so that `/up` does not stand for `/upper`. */
const Place = z
  .url({
    protocol: /^https?$/,
    error: 'has to be a URL with https:// or http://',
    abort: true,
  })
  .max(FILE_URL_MAX_CHARACTERS)
  .superRefine((url, { addIssue }) => {
    const { username, password } = new URL(url);
    const fault =
      username || password || /[?#]/.test(url) ? 'has a user, a ? or a # in it' : fetchFault(url);
    if (fault !== null) addIssue({ code: 'custom', message: fault });
  })
  .overwrite((url) => `${new URL(url).href.replace(/\/+$/, '')}/`);

const places = z.array(Place).min(1, 'is empty').max(MAX_PLACES).optional();

export const FileSettings = z.strictObject({
  /** False: a link to a file is a text like any other, and nobody looks at the file. */
  enabled: z.boolean('has to be true or false, without quotes').default(true),
  maxBytes: count('bytes', 1_024, FILE_MOST_BYTES).default(DEFAULT_FILE_MAX_BYTES),
  types: z
    .array(z.enum(FILE_KINDS, `has to be of ${FILE_KINDS.join(', ')}`))
    .min(1, 'is empty: use enabled')
    .max(FILE_KINDS.length)
    .default([...FILE_KINDS]),
  /** Of both directions together. */
  perMinute: count('files a minute', 1, 10_000).default(DEFAULT_FILES_PER_MINUTE),
  /** Where operators' clients upload. Default: ejabberd's own default for the host. */
  uploads: places,
  /** Where LHC has visitors' files. Default: the origin of `callbackUrl`. */
  lhc: places,
});
export type FileSettings = z.infer<typeof FileSettings>;

/** What of a tenant decides about files. */
export interface FileRules {
  readonly host: string;
  readonly callbackUrl?: string | undefined;
  readonly files: FileSettings;
}

/** The default of mod_http_upload's `put_url`, and so of its links. */
const uploadsOf = (host: string): string => `https://${host}:5443/upload/`;

/** A URL as fetch would use it; null if it is none, or has a user in it. */
function parsed(url: string): URL | null {
  const found = url.length <= FILE_URL_MAX_CHARACTERS && URL.canParse(url) ? new URL(url) : null;
  if (!found || !/^https?:$/.test(found.protocol)) return null;
  return found.username || found.password ? null : found;
}

const isBelow = (url: URL, at: string): boolean => {
  const place = new URL(at);
  // A parsed path has no `..` any more, written out or escaped.
  return url.origin === place.origin && url.pathname.startsWith(place.pathname);
};

/** Whether operators' clients upload to this address. */
export function isUpload({ host, files }: FileRules, url: string): boolean {
  const at = parsed(url);
  return at !== null && (files.uploads ?? [uploadsOf(host)]).some((each) => isBelow(at, each));
}

/** Whether the tenant's LHC may have a visitor's file at this address. */
export function isAtLhc({ callbackUrl, files }: FileRules, url: string): boolean {
  const at = parsed(url);
  const own = callbackUrl === undefined ? [] : [`${new URL(callbackUrl).origin}/`];
  return at !== null && (files.lhc ?? own).some((each) => isBelow(at, each));
}

/** What ends a link in a text. */
const AROUND = /[\s<>"]+/;
/** What a sentence may have behind a link. Uploads have names with an end of letters. */
const BEHIND = /[).,;:!?\]}'>]+$/;

/** The links of an operator's text that are uploads, each once, as they stand there; none if files are not passed on. */
export function uploadsIn(rules: FileRules, text: string): readonly string[] {
  if (!rules.files.enabled) return [];
  const found = new Set<string>();
  for (const word of text.split(AROUND)) {
    const start = word.search(/https?:\/\//i);
    if (start < 0) continue;
    const link = word.slice(start).replace(BEHIND, '');
    if (isUpload(rules, link)) found.add(link);
  }
  return [...found];
}

/** Controls, ends of lines, and marks that reverse letters (UAX #9): with them `gpj.exe` looks like a picture. */
const MISLEADING = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** The name at the end of a link, as people may read it; empty if it has none. */
export function nameAtEnd(url: string): string {
  const last = new URL(url).pathname.split('/').at(-1) ?? '';
  try {
    // A name has no path, whatever a link says.
    return (decodeURIComponent(last).split(/[\\/]/).at(-1) ?? '').replace(MISLEADING, '');
  } catch {
    return last;
  }
}
