/** Recorded histories give rows and live events. Facts stay in logs for good, so every release has to understand them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import type { Position, RecordedEvent } from '../../src/eventstore/port.ts';
import { streamEventsOf } from '../../src/projections/changes.ts';
import { applyToAll, INDEXES, queriesOf, SCHEMA } from '../../src/projections/models.ts';
import { tenantWith } from '../support/tenant.ts';

const GOLDEN = join(import.meta.dirname, '../actors/golden');
const ACME = tenantWith({
  id: 'acme',
  host: 'xmpp.test',
  apiKey: 'key-of-acme-0123456789',
});
const histories = readdirSync(GOLDEN).filter((name) => /^history-(visitor|operator)/.test(name));

test.each(histories)('%s', (file) => {
  const { facts } = JSON.parse(readFileSync(join(GOLDEN, file), 'utf8'));
  const db = new DatabaseSync(':memory:');
  db.exec(`${SCHEMA} ${INDEXES.join(';')}`);
  const apply = applyToAll(db);
  const queries = queriesOf(db);
  const rows = {
    visitors: queries('visitors'),
    chats: queries('chats'),
    operators: queries('operators'),
    messages: queries('messages'),
  };
  const kind = file.startsWith('history-visitor') ? 'visitor' : 'operator';
  for (const { type, data, revision, metadata } of facts) {
    // The parts of an event that these functions read.
    const event = {
      stream: `${kind}-acme.${kind}`,
      id: `${revision}`,
      type,
      data,
      revision,
      metadata: { ...metadata, commandId: `c${revision}`, correlationId: `c${revision}` },
      personal: null,
      position: `${revision}` as Position,
    } as unknown as RecordedEvent;
    apply.begin();
    apply.add(event, new Map());
    apply.end();
    for (const { data: json } of streamEventsOf(event, ACME, rows))
      expect(JSON.parse(json)).toBeDefined();
  }
  expect(facts.length).toBeGreaterThan(4);
  const seen =
    kind === 'visitor'
      ? rows.visitors.get('acme', 'visitor')
      : db.prepare('SELECT * FROM operators').get();
  // Only the chats of a visitor who was erased stay.
  if (file === 'history-visitor-erased.json') expect(seen).toBeNull();
  else expect(seen).toMatchObject({ revision: facts.at(-1).revision });
  db.close();
});
