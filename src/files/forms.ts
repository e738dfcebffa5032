/**
 * What a file is: by the end of its name and by its first bytes, which have to say the same. What the server says counts for
 * nothing. A list of what is allowed needs a dozen signatures; a library that knows hundreds would parse strangers' files.
 */
import type { FileKind } from '../actors/tenant/file-settings.ts';

interface Form {
  readonly kind: FileKind;
  /** Of RFC 6838, without parameters. */
  readonly type: string;
  /** In lower case, as names end. */
  readonly ends: readonly string[];
  readonly is: (bytes: Buffer) => boolean;
}

const begins =
  (text: string, at = 0) =>
  (bytes: Buffer): boolean =>
    bytes.subarray(at, at + text.length).toString('latin1') === text;

const all =
  (...tests: readonly ((bytes: Buffer) => boolean)[]) =>
  (bytes: Buffer): boolean =>
    tests.every((test) => test(bytes));

const any =
  (...tests: readonly ((bytes: Buffer) => boolean)[]) =>
  (bytes: Buffer): boolean =>
    tests.some((test) => test(bytes));

/** A frame of MPEG-1 or MPEG-2 audio: eleven bits set, and a layer (ISO 11172-3 §2.4.2.3). */
const isMpegFrame = (bytes: Buffer): boolean =>
  bytes[0] === 0xff && ((bytes[1] ?? 0) & 0xe0) === 0xe0 && ((bytes[1] ?? 0) & 0x06) !== 0;

/** UTF-8 without controls but tab, line feed, form feed and carriage return. */
function isText(bytes: Buffer): boolean {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is the question
    return !/[\x00-\x08\x0b\x0e-\x1f\x7f]/.test(text);
  } catch {
    return false;
  }
}

const isBmff = begins('ftyp', 4); // ISO 14496-12
const isMatroska = begins('\x1a\x45\xdf\xa3'); // RFC 9559 §8

const FORMS: readonly Form[] = [
  { kind: 'picture', type: 'image/jpeg', ends: ['jpg', 'jpeg'], is: begins('\xff\xd8\xff') },
  { kind: 'picture', type: 'image/png', ends: ['png'], is: begins('\x89PNG\r\n\x1a\n') },
  {
    kind: 'picture',
    type: 'image/gif',
    ends: ['gif'],
    is: any(begins('GIF87a'), begins('GIF89a')),
  },
  {
    kind: 'picture',
    type: 'image/webp',
    ends: ['webp'],
    is: all(begins('RIFF'), begins('WEBP', 8)),
  },
  { kind: 'pdf', type: 'application/pdf', ends: ['pdf'], is: begins('%PDF-') },
  { kind: 'text', type: 'text/plain', ends: ['txt', 'csv', 'log', 'md'], is: isText },
  { kind: 'audio', type: 'audio/mpeg', ends: ['mp3'], is: any(begins('ID3'), isMpegFrame) },
  { kind: 'audio', type: 'audio/ogg', ends: ['ogg', 'oga', 'opus'], is: begins('OggS') },
  { kind: 'audio', type: 'audio/wav', ends: ['wav'], is: all(begins('RIFF'), begins('WAVE', 8)) },
  { kind: 'audio', type: 'audio/mp4', ends: ['m4a'], is: isBmff },
  { kind: 'audio', type: 'audio/webm', ends: ['weba'], is: isMatroska },
  { kind: 'video', type: 'video/mp4', ends: ['mp4', 'm4v'], is: isBmff },
  { kind: 'video', type: 'video/webm', ends: ['webm'], is: isMatroska },
];

const endOf = (name: string): string => /\.([^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? '';

const formOf = (name: string): Form | undefined =>
  FORMS.find(({ ends }) => ends.includes(endOf(name)));

/** Why a file of this name is not passed on, whatever is in it; null if its content decides. */
export function nameFault(name: string, kinds: readonly FileKind[]): string | null {
  const form = formOf(name);
  if (form && kinds.includes(form.kind)) return null;
  const end = endOf(name);
  return /^[a-z0-9]{1,10}$/.test(end)
    ? `files of the type .${end} are not passed on`
    : 'its name does not say its type';
}

/** The type of a file; null if its content is not what its name says. */
export function typeOf(name: string, bytes: Buffer): string | null {
  const form = formOf(name);
  return form?.is(bytes) ? form.type : null;
}
