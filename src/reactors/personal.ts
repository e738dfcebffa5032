/** What reactors open of personal data: who a visitor is, and what was said. */
import { streamOf, type TenantId, type VisitorKey, visitorRef } from '../actors/ids.ts';
import type { Profile, VisitorState } from '../actors/visitor/facts.ts';
import type { EventStore, RecordedEvent } from '../eventstore/port.ts';
import { eventAt } from '../eventstore/reading.ts';
import type { JsonObject } from '../kit/json.ts';
import type { Vault } from '../runtime/ports.ts';

export interface PersonalData {
  /** The opened personal part of a fact; null when it has none, or its person was erased. */
  of(event: RecordedEvent): Promise<JsonObject | null>;
  /** The text of a message; null when its person was erased. */
  bodyOf(event: RecordedEvent): Promise<string | null>;
  /** Who the visitor is, on which page, and when it was seen there. */
  profileOf(
    tenant: TenantId,
    key: VisitorKey,
    state: VisitorState,
  ): Promise<{ profile: Profile; at: number }>;
}

export function openPersonalData(store: EventStore, vault: Vault): PersonalData {
  const open = async (event: RecordedEvent | null): Promise<JsonObject | null> =>
    event?.personal ? vault.open(event.personal) : null;

  return {
    of: open,
    async bodyOf(event) {
      const body = (await open(event))?.body;
      return typeof body === 'string' ? body : null;
    },
    async profileOf(tenant, key, { context }) {
      const stream = streamOf(visitorRef(tenant, key));
      const [viewed, started] = await Promise.all([
        eventAt(store, stream, context.profileRevision),
        eventAt(store, stream, context.nickRevision),
      ]);
      // Both were sealed from a parsed page view or chat (src/http).
      const profile = ((await open(viewed)) ?? {}) as Profile;
      const chat = ((await open(started)) ?? {}) as { nick?: string };
      return {
        profile: chat.nick === undefined ? profile : { ...profile, nick: chat.nick },
        at: viewed?.metadata.at ?? context.lastSeen,
      };
    },
  };
}
