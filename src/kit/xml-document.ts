/**
 * A small XML document as a tree. The parser (saxes) takes only well-formed XML and knows no entities but the five of XML
 * itself and numbers of characters. A document with a DOCTYPE is refused, so nobody can declare others.
 */
import { SaxesParser } from 'saxes';
import { isXmlText, xmlText } from './xml-text.ts';

/** Levels of elements in a document. A call of XML-RPC with a list of structs has 14. */
export const XML_MAX_LEVELS = 32;
/** Elements in a document. */
export const XML_MAX_ELEMENTS = 2_000;

export interface XmlElement {
  readonly name: string;
  readonly children: readonly XmlElement[];
  /** The text directly in it, without that of its children. */
  readonly text: string;
}

interface OpenElement extends XmlElement {
  readonly children: OpenElement[];
  text: string;
}

/** A character by its number. */
const NUMBERED = /&#(?:(\d{1,8})|x([0-9a-f]{1,7}));/gi;

/** PHP writes a control character as it is, or as a number. XML has neither, and the rest must not be lost with it. */
const legible = (text: string): string =>
  xmlText(text).replace(NUMBERED, (whole, decimal?: string, hex?: string) => {
    const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal);
    const isCarried = code === 13 || (code <= 0x10_ff_ff && isXmlText(String.fromCodePoint(code)));
    return isCarried ? whole : '\ufffd';
  });

/**
 * Parses a document. Characters that XML cannot carry become U+FFFD. Attributes, comments and processing instructions are left out.
 * @throws {Error} with the reason in a few words, which hold nothing of the document
 */
export function parseXml(text: string): XmlElement {
  const parser = new SaxesParser({ xmlns: false, position: false });
  const open: OpenElement[] = [];
  let root: OpenElement | undefined;
  let elements = 0;
  parser.on('error', () => {
    throw new Error('it is not well-formed XML');
  });
  parser.on('doctype', () => {
    throw new Error('it has a DOCTYPE, which is not allowed');
  });
  parser.on('opentag', ({ name }) => {
    elements += 1;
    if (elements > XML_MAX_ELEMENTS)
      throw new Error(`it has more than ${XML_MAX_ELEMENTS} elements`);
    if (open.length >= XML_MAX_LEVELS) throw new Error(`it has more than ${XML_MAX_LEVELS} levels`);
    const element: OpenElement = { name, children: [], text: '' };
    open.at(-1)?.children.push(element);
    root ??= element;
    open.push(element);
  });
  parser.on('closetag', () => void open.pop());
  const addText = (more: string): void => {
    const element = open.at(-1);
    if (element) element.text += more;
  };
  parser.on('text', addText);
  parser.on('cdata', addText);
  parser.write(legible(text)).close();
  if (!root) throw new Error('it is empty');
  return root;
}

/** The first child with this name. */
export const childOf = (element: XmlElement, name: string): XmlElement | undefined =>
  element.children.find((child) => child.name === name);
