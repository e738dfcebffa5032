/** People who work in LHC's own pages, as operators read of them (docs/adr/0044). LHC gives their names. */
import type { Username } from '../../actors/ids.ts';
import { cut } from '../../kit/cut.ts';
import type { JsonObject } from '../../kit/json.ts';
import { hanging } from '../../kit/lines.ts';
import type { NameOf } from './names.ts';

/** What somebody wrote in LHC is cut here in a line, in UTF-16 units. LHC has no limit of its own, and shows all of it. */
export const LINE_FROM_LHC_MAX_LENGTH = 8_000;

/** Who did something in LHC. @property lhcUserId 0 and -1: LHC itself, -2: a bot */
export interface PersonInLhc {
  readonly lhcUserId: number;
  /** The registered operator who they are. */
  readonly operator?: Username | undefined;
}

/** The name of the person, from the personal part of a fact. */
export const nameIn = (opened: JsonObject | null): string | undefined =>
  typeof opened?.name === 'string' ? opened.name : undefined;

const PLACE = ', in LHC';

/** `Olga, in LHC`. */
export const namedInLhc = (name: string): string => `${name}${PLACE}`;

/** The person as the subject of a sentence: `Olga, in LHC,`. @param person from {@link personInLhc} */
export const asSubject = (person: string): string =>
  person.endsWith(PLACE) ? `${person},` : person;

/**
 * The person in a line of the service.
 * @param name as LHC has it; undefined if it said none, or if it was erased
 */
export function personInLhc(
  { lhcUserId, operator }: PersonInLhc,
  name: string | undefined,
  nameOf: NameOf,
): string {
  if (operator !== undefined) return namedInLhc(nameOf(operator));
  if (name) return namedInLhc(name);
  if (lhcUserId === -2) return 'A bot in LHC';
  return lhcUserId > 0 ? 'Somebody in LHC' : 'LHC';
}

/** A line for an operator in XMPP. All lines of the text but the first are indented, so that none looks like another one. */
export function lineFromLhc(author: string, body: string): string {
  const isLong = body.length > LINE_FROM_LHC_MAX_LENGTH;
  const text = isLong ? `${cut(body, LINE_FROM_LHC_MAX_LENGTH)}… (LHC has the rest)` : body;
  return `${author}: ${hanging(text)}`;
}
