/** A form from a JSON Schema: which fields a command has, and what is wrong with what somebody typed. */
import type { Json, JsonObject } from '../../api/debugger.ts';

export type FieldKind = 'text' | 'number' | 'boolean' | 'choice' | 'json';

export interface Field {
  readonly name: string;
  readonly kind: FieldKind;
  readonly isRequired: boolean;
  /** null is a value too: `null` is typed or chosen. */
  readonly isNullable: boolean;
  /** Of a choice. */
  readonly choices: readonly Json[];
  readonly description: string | null;
  readonly schema: JsonObject;
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const listOf = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : []);

/** How deep references may lead. A schema that refers to itself has no end. */
const MAX_REFERENCES = 8;

/** A schema without `$ref` at its top. @param root where references point to */
function resolved(schema: JsonObject, root: JsonObject): JsonObject {
  let found = schema;
  for (let turn = 0; turn < MAX_REFERENCES && typeof found.$ref === 'string'; turn++) {
    let place: Json | undefined = root;
    for (const part of found.$ref.split('/').slice(1)) {
      place = isObject(place) ? place[part.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined;
    }
    if (!isObject(place)) return {};
    found = place;
  }
  return found;
}

/** The types of a value, and the schema without null. */
function withoutNull(
  schema: JsonObject,
  root: JsonObject,
): { schema: JsonObject; nullable: boolean } {
  const variants = listOf(schema.anyOf ?? schema.oneOf)
    .filter(isObject)
    .map((each) => resolved(each, root));
  const others = variants.filter(({ type }) => type !== 'null');
  const [only] = others;
  if (only && others.length === 1 && others.length < variants.length) {
    const { anyOf: _any, oneOf: _one, ...rest } = schema;
    return { schema: { ...rest, ...only }, nullable: true };
  }
  if (Array.isArray(schema.type) && schema.type.includes('null')) {
    const types = schema.type.filter((type) => type !== 'null');
    const [type] = types;
    return {
      schema: { ...schema, type: types.length === 1 && type !== undefined ? type : types },
      nullable: true,
    };
  }
  return { schema, nullable: listOf(schema.enum).includes(null) };
}

/** What every command has, and no form asks for. */
const TYPE = 'type';

/**
 * The fields of an object, the required ones first.
 * @returns null if the schema is not of an object with known properties: then it is typed as JSON
 */
export function fieldsOf(schema: JsonObject): readonly Field[] | null {
  const top = resolved(schema, schema);
  if (!isObject(top.properties)) return null;
  const required = listOf(top.required);
  const fields = Object.entries(top.properties).flatMap(([name, property]): Field[] =>
    name === TYPE || !isObject(property)
      ? []
      : [fieldOf(name, property, required.includes(name), schema)],
  );
  return [
    ...fields.filter(({ isRequired }) => isRequired),
    ...fields.filter((each) => !each.isRequired),
  ];
}

function fieldOf(name: string, property: JsonObject, isRequired: boolean, root: JsonObject): Field {
  const { schema, nullable } = withoutNull(resolved(property, root), root);
  const choices = schema.const === undefined ? listOf(schema.enum) : [schema.const];
  return {
    name,
    kind: kindOf(schema, choices),
    isRequired,
    isNullable: nullable,
    choices: choices.filter((choice) => choice !== null),
    description: typeof property.description === 'string' ? property.description : null,
    schema,
  };
}

function kindOf({ type, anyOf, oneOf }: JsonObject, choices: readonly Json[]): FieldKind {
  if (choices.length > 0) return 'choice';
  if (anyOf !== undefined || oneOf !== undefined) return 'json';
  if (type === 'string') return 'text';
  if (type === 'integer' || type === 'number') return 'number';
  if (type === 'boolean') return 'boolean';
  return 'json';
}

export type Typed =
  | { readonly kind: 'value'; readonly value: Json }
  /** Nothing was typed, and nothing is needed. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'problem'; readonly problem: string };

const problem = (text: string): Typed => ({ kind: 'problem', problem: text });
const value = (json: Json): Typed => ({ kind: 'value', value: json });

/** What is typed into a nullable field for null. */
export const NULL_TEXT = 'null';

/** The value of a field. @param text as it was typed; JSON of the choice for a choice or a boolean */
export function readField(field: Field, text: string): Typed {
  const { kind, isRequired, isNullable, schema } = field;
  if (isNullable && text.trim() === NULL_TEXT) return value(null);
  if (text === '' || (kind !== 'text' && text.trim() === '')) {
    if (!isRequired) return { kind: 'absent' };
    if (kind !== 'text' || minimum(schema.minLength) > 0) return problem('is needed');
  }
  if (kind === 'text') return readText(schema, text);
  if (kind === 'number') return readNumber(schema, text);
  try {
    const json = JSON.parse(text) as Json; // JSON.parse yields JSON
    const wrong = kind === 'json' ? problemOf(schema, json) : null;
    return wrong === null ? value(json) : problem(wrong);
  } catch {
    return problem('is not JSON');
  }
}

const minimum = (least: Json | undefined): number => (typeof least === 'number' ? least : 0);

function readText(schema: JsonObject, text: string): Typed {
  const { maxLength } = schema;
  if (text.length < minimum(schema.minLength)) {
    return problem(`has to have at least ${minimum(schema.minLength)} characters`);
  }
  if (typeof maxLength === 'number' && text.length > maxLength) {
    return problem(`may have ${maxLength} characters at most`);
  }
  if (typeof schema.pattern === 'string' && !matches(schema.pattern, text)) {
    return problem(`has to match ${schema.pattern}`);
  }
  return value(text);
}

function matches(pattern: string, text: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(text);
  } catch {
    return true; // a pattern that this browser does not know: the service will say
  }
}

function readNumber(schema: JsonObject, text: string): Typed {
  const number = Number(text);
  if (!Number.isFinite(number)) return problem('is not a number');
  if (schema.type === 'integer' && !Number.isInteger(number))
    return problem('has to be a whole number');
  const { minimum: least, maximum } = schema;
  if (typeof least === 'number' && number < least) return problem(`has to be ${least} or more`);
  if (typeof maximum === 'number' && number > maximum)
    return problem(`has to be ${maximum} or less`);
  return value(number);
}

const typeOf = (json: Json): string =>
  json === null ? 'null' : Array.isArray(json) ? 'array' : typeof json;

/** What is wrong with JSON by its type, its required parts and their types; the service checks the rest. */
export function problemOf(schema: JsonObject, json: Json, place = ''): string | null {
  const at = place === '' ? '' : `${place}: `;
  const types = typeof schema.type === 'string' ? [schema.type] : listOf(schema.type);
  const type = typeOf(json);
  const fits =
    types.length === 0 || types.includes(type) || (type === 'number' && types.includes('integer'));
  if (!fits) return `${at}has to be ${types.join(' or ')}, and is ${type}`;
  if (isObject(json)) {
    const missing = listOf(schema.required).find((name) => !(String(name) in json));
    if (missing !== undefined) return `${at}lacks ${String(missing)}`;
    const properties = isObject(schema.properties) ? schema.properties : {};
    for (const [name, part] of Object.entries(json)) {
      const sub = properties[name];
      const wrong = isObject(sub)
        ? problemOf(sub, part, place === '' ? name : `${place}.${name}`)
        : null;
      if (wrong !== null) return wrong;
    }
  }
  if (Array.isArray(json) && isObject(schema.items)) {
    for (const [index, part] of json.entries()) {
      const wrong = problemOf(schema.items, part, `${place}[${index}]`);
      if (wrong !== null) return wrong;
    }
  }
  return null;
}

/** JSON to begin with: the required parts, empty. */
export function skeletonOf(schema: JsonObject): Json {
  if (schema.const !== undefined) return schema.const;
  if (isObject(schema.properties)) {
    const required = listOf(schema.required);
    return Object.fromEntries(
      Object.entries(schema.properties)
        .filter(([name]) => required.includes(name))
        .map(([name, part]) => [name, isObject(part) ? skeletonOf(part) : null]),
    );
  }
  const [choice] = listOf(schema.enum);
  if (choice !== undefined) return choice;
  const [type] = Array.isArray(schema.type) ? schema.type : [schema.type];
  switch (type) {
    case 'string':
      return '';
    case 'integer':
    case 'number':
      return 0;
    case 'boolean':
      return false;
    case 'array':
      return [];
    case 'object':
      return {};
    default:
      return null;
  }
}

/**
 * Values that a state has for fields of a command: those of the same name in the context, or in its chat.
 * @param context of an actor
 */
export function hintsOf(context: Json | undefined): JsonObject {
  const own = isObject(context) ? context : {};
  const chat = isObject(own.chat) ? own.chat : {};
  const { id, ...rest } = chat;
  return { ...own, ...rest, ...(id !== undefined && { chatId: id }) };
}

/** What a field begins with: what the state has for it, or else nothing, or what is nearest to nothing. */
export function startOf(field: Field, hints: JsonObject): string {
  const { name, kind, isRequired, isNullable, choices, schema } = field;
  if (!isRequired) return '';
  const hint = hints[name];
  if (hint !== undefined && hint !== null) {
    const text =
      kind === 'text' || kind === 'number' ? String(hint) : JSON.stringify(hint, null, 2);
    if (readField(field, text).kind === 'value') return text;
  }
  if (isNullable) return NULL_TEXT;
  if (kind === 'choice') return JSON.stringify(choices[0]);
  if (kind === 'boolean') return 'false';
  return kind === 'json' ? JSON.stringify(skeletonOf(schema), null, 2) : '';
}
