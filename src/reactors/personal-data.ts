/** Opens the personal data that reactors need: a visitor's profile and the texts of messages. */
import { streamOf, type TenantId, type VisitorKey, visitorRef } from '../actors/ids.ts';
import type { VisitorState } from '../actors/visitor/facts.ts';
import type { Profile } from '../actors/visitor/profile.ts';
import type { EventStore, RecordedEvent } from '../eventstore/port.ts';
import { eventAt } from '../eventstore/reading.ts';
import type { JsonObject } from '../kit/json.ts';
import type { Vault } from '../runtime/ports.ts';

export interface PersonalData {
  /** The opened personal part of a fact; null if the fact has none, or the person was erased. */
  of(event: RecordedEvent): Promise<JsonObject | null>;
  /** The text of a message; null if its person was erased. */
  bodyOf(event: RecordedEvent): Promise<string | null>;
  /** The visitor's profile with the page of the last page view, and the time of that page view. */
  profileOf(
    tenant: TenantId,
    key: VisitorKey,
    state: VisitorState,
  ): Promise<{ profile: Profile; at: number }>;
}

export function openPersonalData(store: EventStore, vault: Vault): PersonalData {
  const open = async (event: RecordedEvent | null): Promise<JsonObject | null> =>
    event && vault.open(event);

  return {
    of: open,
    async bodyOf(event) {
      const body = (await open(event))?.body;
      return typeof body === 'string' ? body : null;
    },
    async profileOf(tenant, key, { context }) {
      const stream = streamOf(visitorRef(tenant, key));
      const [view, start] = await Promise.all([
        eventAt(store, stream, context.profileRevision),
        eventAt(store, stream, context.nickRevision),
      ]);
      // src/http parsed both before they were sealed.
      const profile = ((await open(view)) ?? {}) as Profile;
      const chat = ((await open(start)) ?? {}) as { nick?: string };
      return {
        profile: chat.nick === undefined ? profile : { ...profile, nick: chat.nick },
        at: view?.metadata.at ?? context.lastSeen,
      };
    },
  };
}
