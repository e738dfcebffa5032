/**
 * Canned texts of a tenant's team: what operators often write, by a short name. The words are sealed in the facts; the
 * machine knows which fact has the words of which name.
 */
import { z } from 'zod';
import { AppError } from '../../errors.ts';
import { legibleText } from '../../kit/xml-text.ts';
import type { Username } from '../ids.ts';
import { type EventOf, type FactOf, refuse } from '../machine/decider.ts';

/** Canned texts that one tenant can have. */
export const MAX_CANNED_TEXTS = 500;
/** Longest canned text, in UTF-16 units. */
export const CANNED_TEXT_MAX_CHARACTERS = 4_000;

/** Words behind `!canned` that mean something else. */
const RESERVED_NAMES: ReadonlySet<string> = new Set(['add', 'remove', 'list', 'use']);

export const CannedName = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9_-]{0,31}$/,
    'the name of a canned text is a-z, 0-9, _ and -, does not begin with _ or -, at most 32',
  )
  .refine((name) => !RESERVED_NAMES.has(name), 'this name is reserved')
  .brand<'CannedName'>();
export type CannedName = z.infer<typeof CannedName>;

/** What XML cannot carry is left out. */
export const CannedWords = z
  .string()
  .overwrite((text) => legibleText(text).trim())
  .min(1, 'is empty')
  .max(CANNED_TEXT_MAX_CHARACTERS, `is longer than ${CANNED_TEXT_MAX_CHARACTERS} characters`);

export type CannedFacts = {
  /**
   * `by`: the operator who wrote it; null if it came over the HTTP API. `fingerprint`: keyed, of the words, so that the
   * same again is known.
   */
  CannedTextSaved: { name: CannedName; by: Username | null; fingerprint: string };
  CannedTextRemoved: { name: CannedName; by: Username | null };
};
export type CannedPersonal = { CannedTextSaved: { text: string } };

/** By name: the revision of the fact that has the words, and their fingerprint. */
export type CannedTexts = Readonly<
  Record<string, { readonly revision: number; readonly fingerprint: string }>
>;

export type CannedCommand =
  | {
      type: 'SaveCannedText';
      name: CannedName;
      text: string;
      fingerprint: string;
      by: Username | null;
    }
  | { type: 'RemoveCannedText'; name: CannedName; by: Username | null };

export function cannedAfter(canned: CannedTexts, event: EventOf<CannedFacts>): CannedTexts {
  const { name } = event.data;
  if (event.type === 'CannedTextSaved') {
    const { fingerprint } = event.data;
    return { ...canned, [name]: { revision: event.revision, fingerprint } };
  }
  const { [name]: _removed, ...others } = canned;
  return others;
}

/**
 * @throws {AppError} `refused` if the tenant has {@link MAX_CANNED_TEXTS}, and while it is being removed; `not-found` if
 * there is none to remove
 */
export function decideCanned(
  canned: CannedTexts,
  isRemoving: boolean,
  command: CannedCommand,
): readonly FactOf<CannedFacts, CannedPersonal>[] {
  const { name, by } = command;
  const isKnown = Object.hasOwn(canned, name);
  if (command.type === 'RemoveCannedText') {
    if (!isKnown) throw new AppError('not-found', `there is no canned text ${name}`);
    return [{ type: 'CannedTextRemoved', data: { name, by } }];
  }
  if (isRemoving) return refuse('this tenant is being removed');
  if (!isKnown && Object.keys(canned).length >= MAX_CANNED_TEXTS) {
    return refuse(`there are ${MAX_CANNED_TEXTS} canned texts, the most`, { field: 'name' });
  }
  const { text, fingerprint } = command;
  if (isKnown && canned[name]?.fingerprint === fingerprint) return [];
  return [{ type: 'CannedTextSaved', data: { name, by, fingerprint }, personal: { text } }];
}
