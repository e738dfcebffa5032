import { hash } from 'node:crypto';

/** 96 bits as base64url. Two ids of one caller meet by chance once in 10^14 for a million ids. */
export const SHORT_HASH_CHARACTERS = 16;

/** Stands for a text of any length in a memory that has to stay small: the first 96 bits of its SHA-256. */
export const shortHash = (text: string): string =>
  hash('sha256', text, 'base64url').slice(0, SHORT_HASH_CHARACTERS);
