/** The presence that LHC has sent in a visitor's name: what operators see of them. */
import { childOf, parseXml, type XmlElement } from '../../kit/xml-document.ts';
import { FAULT, Fault } from './codec.ts';

/** An absent or empty part says nothing. */
export interface Shown {
  readonly nick: string;
  /** Lines, joined with `\n| `. */
  readonly status: string;
}

/** @throws {Fault} with the reason if it is no presence stanza */
export function shownBy(stanza: string): Shown {
  let presence: XmlElement;
  try {
    presence = parseXml(stanza.trim());
  } catch (error) {
    const why = error instanceof Error ? error.message : 'it cannot be read';
    throw new Fault(FAULT.failed, `The stanza is no presence: ${why}.`);
  }
  if (presence.name !== 'presence') {
    throw new Fault(FAULT.failed, 'Only a presence can be sent in the name of a visitor.');
  }
  const textOf = (name: string): string => childOf(presence, name)?.text.trim() ?? '';
  return { nick: textOf('nick'), status: textOf('status') };
}
