/** Names as the domain has them, from what a test writes. */
import { Username, VisitorKey } from '../../src/actors/ids.ts';

export const username = (name: string): Username => Username.parse(name);
export const visitorKey = (key: string): VisitorKey => VisitorKey.parse(key);
export const usernameOrNull = (name: string | null): Username | null =>
  name === null ? null : username(name);
