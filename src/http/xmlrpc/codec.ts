/** XML-RPC (http://xmlrpc.com/spec.md) as PHP's xmlrpc writes it and ejabberd_xmlrpc answers it. */
import { childOf, parseXml, type XmlElement } from '../../kit/xml-document.ts';
import { xmlText } from '../../kit/xml-text.ts';

export type RpcValue =
  | string
  | number
  | boolean
  | null
  | readonly RpcValue[]
  | { readonly [name: string]: RpcValue };

export interface MethodCall {
  readonly method: string;
  readonly params: readonly RpcValue[];
}

/** Codes of faults, as ejabberd_xmlrpc has them. */
export const FAULT = {
  /** What arrived is no call. */
  unknownCall: -112,
  missing: -116,
  /** Everything that went wrong while the call was carried out; also wrong credentials. */
  failed: -118,
  wrongType: -122,
} as const;

/** A call that is answered with a fault. The message is for whoever reads LHC's log. */
export class Fault extends Error {
  override readonly name = 'Fault';
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** @throws {Fault} with the reason if it is no call */
export function parseCall(text: string): MethodCall {
  let call: XmlElement;
  try {
    call = parseXml(text);
  } catch (error) {
    throw noCall(error instanceof Error ? error.message : 'it cannot be read');
  }
  const method = childOf(call, 'methodName')?.text.trim();
  if (call.name !== 'methodCall' || !method) throw noCall('it has no methodCall with a methodName');
  const params = (childOf(call, 'params')?.children ?? []).map((param) => {
    const value = childOf(param, 'value');
    if (param.name !== 'param' || !value) throw noCall('a param has no value');
    return readValue(value);
  });
  return { method, params };
}

const noCall = (why: string): Fault =>
  new Fault(FAULT.unknownCall, `This is no call of XML-RPC: ${why}.`);

/** @param value an element `value` */
function readValue(value: XmlElement): RpcValue {
  const [typed] = value.children;
  if (!typed) return value.text; // without a type it is a string
  const { name, text } = typed;
  switch (name) {
    case 'string':
      return text;
    case 'int':
    case 'i4':
    case 'i8':
    case 'double':
      return readNumber(text);
    case 'boolean':
      return text.trim() === '1';
    case 'nil':
      return null;
    case 'base64':
      return Buffer.from(text, 'base64').toString('utf8');
    case 'array':
      return (childOf(typed, 'data')?.children ?? []).map(readValue);
    case 'struct':
      return Object.fromEntries(typed.children.map(readMember));
    default:
      throw noCall('a value has a type that is not known here');
  }
}

function readNumber(text: string): number {
  const number = Number(text.trim());
  if (text.trim() === '' || !Number.isFinite(number)) throw noCall('a number is none');
  return number;
}

function readMember(member: XmlElement): readonly [string, RpcValue] {
  const name = childOf(member, 'name')?.text;
  const value = childOf(member, 'value');
  if (member.name !== 'member' || name === undefined || !value) {
    throw noCall('a member of a struct has no name or no value');
  }
  return [name, readValue(value)];
}

/** The answer to a call. */
export const responseXml = (value: RpcValue): string =>
  `${PROLOG}<methodResponse><params><param>${valueXml(value)}</param></params></methodResponse>`;

/** The answer to a call that failed. ejabberd_xmlrpc begins the text in the same way. */
export const faultXml = ({ code, message }: Fault): string =>
  `${PROLOG}<methodResponse><fault>${valueXml({
    faultCode: code,
    faultString: `Error ${code}\n${message}`,
  })}</fault></methodResponse>`;

const PROLOG = '<?xml version="1.0"?>';

function valueXml(value: RpcValue): string {
  return `<value>${typedXml(value)}</value>`;
}

function typedXml(value: RpcValue): string {
  if (value === null) return '<nil/>';
  if (typeof value === 'string') return `<string>${escaped(value)}</string>`;
  if (typeof value === 'boolean') return `<boolean>${value ? 1 : 0}</boolean>`;
  if (typeof value === 'number') {
    return Number.isInteger(value) ? `<int>${value}</int>` : `<double>${value}</double>`;
  }
  if (isArray(value)) return `<array><data>${value.map(valueXml).join('')}</data></array>`;
  const members = Object.entries(value).map(
    ([name, each]) => `<member><name>${escaped(name)}</name>${valueXml(each)}</member>`,
  );
  return `<struct>${members.join('')}</struct>`;
}

// Array.isArray does not tell a read-only array from an object.
const isArray = (value: RpcValue): value is readonly RpcValue[] => Array.isArray(value);

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

const escaped = (text: string): string =>
  xmlText(text).replace(/[&<>]/g, (character) => ESCAPES[character] ?? '');
