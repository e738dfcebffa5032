/** Files in what operators write to visitors: looked at before LHC hears of the message (docs/adr/0061). */
import { MESSAGE_MAX_FILES, nameAtEnd, uploadsIn } from '../../actors/tenant/file-settings.ts';
import type { Tenant } from '../../actors/tenant/tenant.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import type { LookAtFile } from '../../files/look.ts';
import type { CallbackFile } from '../../lhc/callback-types.ts';
import type { Draft } from './drafts.ts';

/** A code of refusals that the service itself makes (src/reactors/texts/lhc-answers.ts). */
export const FILE_REFUSED = 'file-refused';

/** `pending`: ask again soon. `refused`: the visitor does not get the message; the reason ends a sentence. */
export type WithFiles =
  | { readonly kind: 'ready'; readonly drafts: readonly Draft[] }
  | { readonly kind: 'pending' }
  | { readonly kind: 'refused'; readonly reason: string };

/** The drafts with the files of their message, if it has any. */
export function withOperatorFiles(
  lookAt: LookAtFile,
  tenant: Tenant,
  event: RecordedEvent,
  drafts: readonly Draft[],
): WithFiles {
  const [draft, ...others] = drafts;
  const isMessage = draft?.type === 'chat.message' || draft?.type === 'visitor.invited';
  if (!isMessage || !('message' in draft.data)) return { kind: 'ready', drafts };
  const { message } = draft.data;
  const urls = uploadsIn(tenant, message.body);
  if (urls.length === 0) return { kind: 'ready', drafts };
  if (urls.length > MESSAGE_MAX_FILES) {
    return { kind: 'refused', reason: `a message has at most ${MESSAGE_MAX_FILES} files` };
  }
  const files: CallbackFile[] = [];
  let refused: string | null = null;
  // All of them, so that the later ones are looked at while the first is.
  for (const [index, url] of urls.entries()) {
    const name = nameAtEnd(url);
    const verdict = lookAt(tenant, 'uploads', { id: `${event.id}.${index}`, url, name });
    if (verdict === 'pending') continue;
    if (verdict.kind === 'refused') refused ??= verdict.reason;
    else {
      const { type, size, sha256 } = verdict;
      files.push({ url, name, type, size, sha256 });
    }
  }
  if (refused !== null) {
    return { kind: 'refused', reason: refused };
  }
  if (files.length < urls.length) return { kind: 'pending' };
  // Of one type, so its data has this message.
  const withFiles = { ...draft, data: { ...draft.data, message: { ...message, files } } } as Draft;
  return { kind: 'ready', drafts: [withFiles, ...others] };
}
