import { hash } from 'node:crypto';

/** 96 bits as base64url. Two ids of one caller meet by chance once in 10^14 for a million ids. */
export const SHORT_HASH_CHARACTERS = 16;

/** Stands for a text of any length in a memory that has to stay small: the first 96 bits of its SHA-256. */
export const shortHash = (text: string): string =>
  hash('sha256', text, 'base64url').slice(0, SHORT_HASH_CHARACTERS);

/** FNV-1a, 32 bits: the same in every process and release. For even spreading, and for nothing that has to be safe. */
export function fnv1a(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    value ^= text.charCodeAt(i);
    value = Math.imul(value, 0x01000193);
  }
  return value >>> 0;
}
