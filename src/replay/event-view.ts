/** An event as engineers see it: over HTTP, on the command line, in an export. */
import type { ConfigurationPersonal } from '../actors/tenant/configuration.ts';
import type { RecordedEvent } from '../eventstore/port.ts';
import type { JsonObject } from '../kit/json.ts';

export interface EventView extends Omit<RecordedEvent, 'personal' | 'position'> {
  readonly position: string;
  /** Opened; null if the event has none, or the key is gone. Secrets of tenants are {@link HIDDEN}. */
  readonly personal: JsonObject | null;
  /** The event had personal data, and the key is gone. */
  readonly erased: boolean;
  /** The name of the data key; null without personal data. */
  readonly sealedBy: string | null;
}

/** Stands for what nobody needs to see. */
export const HIDDEN = { hidden: true } as const satisfies JsonObject;

/** What is sealed in it are secrets of a tenant. They are no help to an engineer, and no answer has them. */
const hasSecrets = ({ type }: RecordedEvent): boolean =>
  type === ('TenantConfigured' satisfies keyof ConfigurationPersonal);

/** An event with its personal data opened. @param open of the vault */
export async function viewOf(
  open: (event: RecordedEvent) => Promise<JsonObject | null>,
  event: RecordedEvent,
): Promise<EventView> {
  const { position, stream, revision, id, type, schemaVersion, data, metadata } = event;
  const personal = await open(event);
  return {
    position,
    stream,
    revision,
    id,
    type,
    schemaVersion,
    // The events of key streams hold data keys, encrypted.
    data: stream.startsWith('key-') ? HIDDEN : data,
    personal: personal !== null && hasSecrets(event) ? HIDDEN : personal,
    erased: event.personal !== null && personal === null,
    sealedBy: event.personal?.key ?? null,
    metadata,
  };
}
