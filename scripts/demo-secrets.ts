/** Keys and passwords of a demonstration. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writePrivate } from './generated-files.ts';

export interface DemoSecrets {
  readonly adminToken: string;
  readonly apiKey: string;
  readonly webhookSecret: string;
  readonly callbackSecret: string;
  readonly apiPassword: string;
  readonly componentSecret: string;
  readonly operatorPassword: string;
}

/**
 * Makes them at the first run and keeps them in this file, so accounts keep their passwords. What an older version has not
 * made is added.
 */
export function loadDemoSecrets(dir: string, file: string): DemoSecrets {
  const path = join(dir, file);
  const token = (bytes: number): string => randomBytes(bytes).toString('base64url');
  const kept: Partial<DemoSecrets> = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};
  const secrets: DemoSecrets = {
    adminToken: token(24),
    apiKey: token(24),
    webhookSecret: `whsec_${randomBytes(32).toString('base64')}`,
    callbackSecret: `whsec_${randomBytes(32).toString('base64')}`,
    apiPassword: token(24),
    componentSecret: token(24),
    operatorPassword: token(9),
    ...kept,
  };
  if (Object.keys(kept).length < Object.keys(secrets).length) {
    writePrivate(dir, file, JSON.stringify(secrets));
  }
  return secrets;
}
