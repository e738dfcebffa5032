/** The next action of a branch: a command, a fact, or time that passes. */
import { type FormEvent, useId, useState } from 'react';
import type { Json, JsonObject, Machine } from '../../api/debugger.ts';
import { duration } from '../../times.ts';
import { timerName } from '../timer-lines.ts';
import { type Action, parseDuration } from './branch.ts';
import { JsonArea } from './JsonArea.tsx';
import { SchemaForm } from './SchemaForm.tsx';
import { hintsOf, problemOf, skeletonOf } from './schema.ts';

const KINDS = { command: 'Command', fact: 'Fact', wait: 'Time passes' } as const;
type Kind = keyof typeof KINDS;

export function ActionForm({
  machine,
  context,
  nextTimer,
  add,
}: {
  readonly machine: Machine;
  /** At the end of the branch. */
  readonly context: Json | undefined;
  readonly nextTimer: { readonly id: string; readonly ms: number } | null;
  readonly add: (action: Action) => void;
}) {
  const [kind, setKind] = useState<Kind>('command');
  const name = useId();
  return (
    <div className="action-form">
      <fieldset>
        <legend>Next action</legend>
        {Object.entries(KINDS).map(([each, label]) => (
          <label key={each} className="check">
            <input
              type="radio"
              name={name}
              checked={kind === each}
              onChange={() => setKind(each as Kind)} // a key of KINDS
            />
            {label}
          </label>
        ))}
      </fieldset>
      {kind === 'command' && <CommandForm machine={machine} context={context} add={add} />}
      {kind === 'fact' && <FactForm machine={machine} add={add} />}
      {kind === 'wait' && <WaitForm nextTimer={nextTimer} add={add} />}
    </div>
  );
}

function CommandForm({
  machine: { commands },
  context,
  add,
}: {
  readonly machine: Machine;
  readonly context: Json | undefined;
  readonly add: (action: Action) => void;
}) {
  const sorted = [...commands].sort((a, b) => a.type.localeCompare(b.type));
  const [type, setType] = useState(sorted[0]?.type ?? '');
  const command = sorted.find((each) => each.type === type);
  return (
    <>
      <TypeChoice
        label="Command"
        types={sorted.map((each) => each.type)}
        value={type}
        set={setType}
      />
      {command && (
        <SchemaForm
          key={type}
          schema={command.schema ?? {}}
          hints={hintsOf(context)}
          submit="Send the command"
          send={(fields) => add({ command: { ...fields, type } })}
        />
      )}
    </>
  );
}

function TypeChoice({
  label,
  types,
  value,
  set,
}: {
  readonly label: string;
  readonly types: readonly string[];
  readonly value: string;
  readonly set: (type: string) => void;
}) {
  return (
    <label className="field">
      <span>{label}</span>
      <select value={value} onChange={(event) => set(event.currentTarget.value)}>
        {types.map((type) => (
          <option key={type}>{type}</option>
        ))}
      </select>
    </label>
  );
}

/** Data and personal data of a fact, which are typed as JSON. */
function FactForm({
  machine: { facts },
  add,
}: {
  readonly machine: Machine;
  readonly add: (action: Action) => void;
}) {
  // A fact without a schema holds a whole state, and nobody makes that up.
  const sorted = facts
    .filter(({ schema }) => schema !== null)
    .sort((a, b) => a.type.localeCompare(b.type));
  const [type, setType] = useState(sorted[0]?.type ?? '');
  const fact = sorted.find((each) => each.type === type);
  const parts = partsOf(fact?.schema ?? null);
  return (
    <>
      <TypeChoice label="Fact" types={sorted.map((each) => each.type)} value={type} set={setType} />
      <p className="quiet">
        A fact is put behind the last one as it is; the machine has to accept it.
      </p>
      <JsonParts
        key={type}
        data={parts.data}
        personal={parts.personal}
        send={(data, personal) => add({ fact: { type, data, ...(personal && { personal }) } })}
      />
    </>
  );
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function partsOf(schema: JsonObject | null): { data: JsonObject; personal: JsonObject | null } {
  const properties = isObject(schema?.properties) ? schema.properties : {};
  return {
    data: isObject(properties.data) ? properties.data : { type: 'object' },
    personal: isObject(properties.personal) ? properties.personal : null,
  };
}

function JsonParts({
  data,
  personal,
  send,
}: {
  readonly data: JsonObject;
  readonly personal: JsonObject | null;
  readonly send: (data: JsonObject, personal: JsonObject | null) => void;
}) {
  const [text, setText] = useState(() => JSON.stringify(skeletonOf(data), null, 2));
  const [personalText, setPersonalText] = useState('');
  const [faults, setFaults] = useState<{ data?: string; personal?: string }>({});
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const main = objectIn(text, data);
    const other = personalText.trim() === '' ? null : objectIn(personalText, personal ?? {});
    const isWrong = typeof main === 'string' || typeof other === 'string';
    setFaults({
      ...(typeof main === 'string' && { data: main }),
      ...(typeof other === 'string' && { personal: other }),
    });
    if (!isWrong) send(main, other);
  };
  return (
    <form onSubmit={submit} className="fields" noValidate>
      <JsonArea label="Data" text={text} set={setText} fault={faults.data} />
      {personal && (
        <JsonArea
          label="Personal data (may be empty)"
          text={personalText}
          set={setPersonalText}
          fault={faults.personal}
        />
      )}
      <button type="submit">Put the fact</button>
    </form>
  );
}

/** @returns what is wrong, or the object */
function objectIn(text: string, schema: JsonObject): JsonObject | string {
  let json: Json;
  try {
    json = JSON.parse(text) as Json; // JSON.parse yields JSON
  } catch {
    return 'is not JSON';
  }
  if (!isObject(json)) return 'has to be an object';
  return problemOf(schema, json) ?? json;
}

function WaitForm({
  nextTimer,
  add,
}: {
  readonly nextTimer: { readonly id: string; readonly ms: number } | null;
  readonly add: (action: Action) => void;
}) {
  const [text, setText] = useState('');
  const [fault, setFault] = useState('');
  const id = useId();
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const ms = parseDuration(text);
    setFault(
      ms === null ? 'Write a duration such as 90 s, 5 min, or 1 h 30 min: 3,650 d at most.' : '',
    );
    if (ms !== null) add({ wait: ms });
  };
  return (
    <form onSubmit={submit} className="fields" noValidate>
      <div className="field">
        <label htmlFor={id}>Duration</label>
        <input
          id={id}
          value={text}
          placeholder="5 min"
          aria-invalid={fault !== ''}
          aria-describedby={`${id}-fault`}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <span id={`${id}-fault`} className="fault">
          {fault}
        </span>
      </div>
      <div className="buttons">
        <button type="submit">Let it pass</button>
        {nextTimer ? (
          <button type="button" onClick={() => add({ wait: nextTimer.ms })}>
            Until {timerName(nextTimer.id)} is due ({duration(nextTimer.ms)})
          </button>
        ) : (
          <span className="quiet">No timer is pending.</span>
        )}
      </div>
    </form>
  );
}
