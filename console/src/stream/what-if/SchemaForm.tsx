/** A form for an object that a JSON Schema describes. */
import { type FormEvent, useId, useMemo, useState } from 'react';
import type { Json, JsonObject } from '../../api/debugger.ts';
import { JsonArea } from './JsonArea.tsx';
import {
  type Field,
  fieldsOf,
  NULL_TEXT,
  problemOf,
  readField,
  skeletonOf,
  startOf,
} from './schema.ts';

export function SchemaForm({
  schema,
  hints,
  submit,
  send,
}: {
  readonly schema: JsonObject;
  /** Values by the names of fields. */
  readonly hints: JsonObject;
  readonly submit: string;
  readonly send: (fields: JsonObject) => void;
}) {
  const fields = useMemo(() => fieldsOf(schema), [schema]);
  return fields ? (
    <FieldsForm fields={fields} hints={hints} submit={submit} send={send} />
  ) : (
    <WholeForm schema={schema} submit={submit} send={send} />
  );
}

function FieldsForm({
  fields,
  hints,
  submit,
  send,
}: {
  readonly fields: readonly Field[];
  readonly hints: JsonObject;
  readonly submit: string;
  readonly send: (fields: JsonObject) => void;
}) {
  const [texts, setTexts] = useState<Readonly<Record<string, string>>>(() =>
    Object.fromEntries(fields.map((field) => [field.name, startOf(field, hints)])),
  );
  const [faults, setFaults] = useState<Readonly<Record<string, string>>>({});

  const onSubmit = (event: FormEvent): void => {
    event.preventDefault();
    const wrong: Record<string, string> = {};
    const values: Record<string, Json> = {};
    for (const field of fields) {
      const typed = readField(field, texts[field.name] ?? '');
      if (typed.kind === 'problem') wrong[field.name] = typed.problem;
      if (typed.kind === 'value') values[field.name] = typed.value;
    }
    setFaults(wrong);
    if (Object.keys(wrong).length === 0) send(values);
  };

  return (
    <form onSubmit={onSubmit} className="fields" noValidate>
      {fields.map((field) => (
        <FieldInput
          key={field.name}
          field={field}
          text={texts[field.name] ?? ''}
          set={(text) => setTexts((before) => ({ ...before, [field.name]: text }))}
          fault={faults[field.name]}
        />
      ))}
      <button type="submit">{submit}</button>
    </form>
  );
}

function FieldInput({
  field,
  text,
  set,
  fault,
}: {
  readonly field: Field;
  readonly text: string;
  readonly set: (text: string) => void;
  readonly fault: string | undefined;
}) {
  const id = useId();
  const { name, kind, isRequired, isNullable, choices, description } = field;
  const hint = isRequired
    ? isNullable
      ? 'or null'
      : ''
    : isNullable
      ? 'may be empty, or null'
      : 'may be empty';
  if (kind === 'json') {
    return (
      <JsonArea
        placeholder={JSON.stringify(skeletonOf(field.schema))}
        label={hint ? `${name} (JSON, ${hint})` : `${name} (JSON)`}
        text={text}
        set={set}
        fault={fault}
      />
    );
  }
  const described = { 'aria-invalid': fault !== undefined, 'aria-describedby': `${id}-about` };
  const options = kind === 'boolean' ? [true, false] : choices;
  return (
    <div className="field">
      <label htmlFor={id}>
        {name} {hint && <span className="quiet">{hint}</span>}
      </label>
      {kind === 'choice' || kind === 'boolean' ? (
        <select
          id={id}
          value={text}
          onChange={(event) => set(event.currentTarget.value)}
          {...described}
        >
          {!isRequired && <option value="">not given</option>}
          {isNullable && <option value={NULL_TEXT}>null</option>}
          {options.map((choice) => (
            <option key={JSON.stringify(choice)} value={JSON.stringify(choice)}>
              {String(choice)}
            </option>
          ))}
        </select>
      ) : (
        <input
          id={id}
          type="text"
          inputMode={kind === 'number' ? 'decimal' : undefined}
          value={text}
          onChange={(event) => set(event.currentTarget.value)}
          {...described}
        />
      )}
      <span id={`${id}-about`} className={fault === undefined ? 'quiet' : 'fault'}>
        {fault ?? description}
      </span>
    </div>
  );
}

/** For a schema that is no list of fields. */
function WholeForm({
  schema,
  submit,
  send,
}: {
  readonly schema: JsonObject;
  readonly submit: string;
  readonly send: (fields: JsonObject) => void;
}) {
  const [text, setText] = useState(() => JSON.stringify(skeletonOf(schema) ?? {}, null, 2));
  const [fault, setFault] = useState<string | undefined>();
  const onSubmit = (event: FormEvent): void => {
    event.preventDefault();
    let json: Json;
    try {
      json = JSON.parse(text) as Json; // JSON.parse yields JSON
    } catch {
      setFault('is not JSON');
      return;
    }
    const isObject = typeof json === 'object' && json !== null && !Array.isArray(json);
    const wrong = isObject ? problemOf(schema, json) : 'has to be an object';
    setFault(wrong ?? undefined);
    if (wrong === null) send(json as JsonObject); // as the line above says
  };
  return (
    <form onSubmit={onSubmit} className="fields" noValidate>
      <JsonArea label="The command as JSON" text={text} set={setText} fault={fault} />
      <button type="submit">{submit}</button>
    </form>
  );
}
