/** Opens the personal data that reactors need: a visitor's profile and the texts of messages. */
import { visitorFact } from '../actors/facts.ts';
import { streamOf, type TenantId, type VisitorKey, visitorRef } from '../actors/ids.ts';
import { type Profile, withFacets } from '../actors/visitor/profile.ts';
import type { VisitorState } from '../actors/visitor/state.ts';
import type { EventStore, RecordedEvent } from '../eventstore/port.ts';
import { eventAt } from '../eventstore/reading.ts';
import type { JsonObject } from '../kit/json.ts';
import { onOneLine } from '../kit/lines.ts';
import type { Vault } from '../runtime/ports.ts';
import { nameIn, personInLhc } from './texts/in-lhc.ts';
import type { NameOf } from './texts/names.ts';

export interface PersonalData {
  /** The opened personal part of a fact; null if the fact has none, or the person was erased. */
  of(event: RecordedEvent): Promise<JsonObject | null>;
  /** Why a chat was closed, in the words of whoever closed it; null if they gave no reason, or it was erased. */
  reasonOf(event: RecordedEvent): Promise<string | null>;
  /** The text of a message; null if its person was erased. */
  bodyOf(event: RecordedEvent): Promise<string | null>;
  /** The reactions of a fact; null if its person was erased. */
  reactionsOf(event: RecordedEvent): Promise<readonly string[] | null>;
  /** The page of the last page view, what was told last of the visitor, and the time of that page view. */
  profileOf(
    tenant: TenantId,
    key: VisitorKey,
    state: VisitorState,
  ): Promise<{ profile: Profile; at: number }>;
  /** Who has the open chat in LHC's own pages, as a line of the service has them; null if nobody has it there. */
  ownerInLhc(
    tenant: TenantId,
    key: VisitorKey,
    state: VisitorState,
    nameOf: NameOf,
  ): Promise<string | null>;
}

const withoutBreaks = (profile: Profile): Profile => {
  const lines = Object.entries(profile).map(([field, value]) => [
    field,
    typeof value === 'string' && field !== 'statusText' ? onOneLine(value) : value,
  ]);
  return Object.fromEntries(lines);
};

export function openPersonalData(store: EventStore, vault: Vault): PersonalData {
  const open = async (event: RecordedEvent | null): Promise<JsonObject | null> =>
    event && vault.open(event);

  return {
    of: open,
    async bodyOf(event) {
      const body = (await open(event))?.body;
      return typeof body === 'string' ? body : null;
    },
    async reasonOf(event) {
      const reason = (await open(event))?.reason;
      return typeof reason === 'string' ? reason : null;
    },
    async reactionsOf(event) {
      const reactions = (await open(event))?.reactions;
      return Array.isArray(reactions) ? reactions.filter((each) => typeof each === 'string') : null;
    },
    async profileOf(tenant, key, { context }) {
      const stream = streamOf(visitorRef(tenant, key));
      const { profileRevision, told } = context;
      const revisions = [...new Set([profileRevision, ...Object.values(told)])];
      const events = await Promise.all(
        revisions.map((revision) => eventAt(store, stream, revision)),
      );
      // src/http parsed each of them before it was sealed. That of release 0.1.0 let separators of Unicode through.
      const opened = await Promise.all(
        events.map(async (event) => withoutBreaks(((await open(event)) ?? {}) as Profile)),
      );
      const profileAt = (revision: number) => opened[revisions.indexOf(revision)] ?? {};
      const sources = Object.entries(told).map(([facet, at]) => [facet, profileAt(at)]);
      return {
        profile: withFacets(profileAt(profileRevision), Object.fromEntries(sources)),
        at: events[0]?.metadata.at ?? context.lastSeen,
      };
    },
    async ownerInLhc(tenant, key, { context: { chat } }, nameOf) {
      if (!chat?.inLhc) return null;
      const { lhcUserId, revision } = chat.inLhc;
      const event = await eventAt(store, streamOf(visitorRef(tenant, key)), revision);
      const fact = event && visitorFact(event);
      const person = fact?.type === 'ChatTakenInLhc' ? fact.data : { lhcUserId };
      return personInLhc(person, nameIn(await open(event)), nameOf);
    },
  };
}
