/** Files of visitors: looked at before an operator gets the address (docs/adr/0061). */
import type { Tenant } from '../../actors/tenant/tenant.ts';
import { AppError } from '../../errors.ts';
import type { RecordedEvent } from '../../eventstore/port.ts';
import { FILE_PENDING, type LookAtFile } from '../../files/look.ts';
import { fileNotPassedOn } from '../texts/files.ts';
import { asWords } from '../texts/mark.ts';
import type { Content } from './delivery.ts';

/** How an operator gets a message. */
export type Shown = Pick<Content, 'body' | 'isFile'>;

export interface VisitorFiles {
  /**
   * A message as the operator gets it.
   * @param file of the message; null if it is a text
   * @throws {AppError} {@link isFilePending}: nobody knows yet whether the file may be passed on
   */
  shown(
    tenant: Tenant,
    event: RecordedEvent,
    said: { readonly body: string; readonly file: { readonly name: string } | null },
  ): Shown;
}

/** True if it only takes a moment until a file was looked at. */
export const isFilePending = (error: unknown): boolean =>
  error instanceof AppError && error.details.reason === FILE_PENDING;

export const createVisitorFiles = (lookAt: LookAtFile): VisitorFiles => ({
  shown(tenant, event, { body, file }) {
    if (!file || !tenant.files.enabled) return { body: asWords(body) };
    const verdict = lookAt(tenant, 'lhc', { id: event.id, url: body, name: file.name });
    if (verdict === 'pending') {
      throw new AppError('unavailable', FILE_PENDING, { reason: FILE_PENDING });
    }
    return verdict.kind === 'passed'
      ? { body, isFile: true }
      : { body: fileNotPassedOn(verdict.reason) };
  },
});
