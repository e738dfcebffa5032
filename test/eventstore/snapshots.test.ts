import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { createSnapshotStore, openSnapshotFile } from '../../src/eventstore/snapshots.ts';
import { temporaryFolder } from '../support/folder.ts';

const folder = temporaryFolder('snapshots');
afterAll(() => rmSync(folder, { recursive: true }));

describe('snapshots', () => {
  test('survive a restart, for the same machine and log only', () => {
    const path = join(folder, 'kept.db');
    let db = openSnapshotFile(path);
    let snapshots = createSnapshotStore(db, { storeId: 'one' });
    snapshots.save('v-a', 'visitor/1', 7, { page: 'ü😀' });
    snapshots.save('v-a', 'visitor/1', 9, { page: 'next' });
    snapshots.save('v-b', 'visitor/1', 1, null);
    db.close();

    db = openSnapshotFile(path);
    snapshots = createSnapshotStore(db, { storeId: 'one' });
    expect(snapshots.load('v-a', 'visitor/1')).toEqual({ revision: 9, state: { page: 'next' } });
    expect(snapshots.load('v-a', 'visitor/2')).toBeNull();
    expect(snapshots.load('v-a', 'visitor/1')).toBeNull();
    expect(snapshots.load('v-b', 'visitor/1')).toEqual({ revision: 1, state: null });
    snapshots.delete('v-b');
    expect(snapshots.load('v-b', 'visitor/1')).toBeNull();
    snapshots.save('v-c', 'visitor/1', 1, []);

    const other = createSnapshotStore(db, { storeId: 'two' });
    expect(other.load('v-c', 'visitor/1')).toBeNull();
    db.close();
  });

  test('are dropped past the limit, the oldest first', () => {
    const db = openSnapshotFile(join(folder, 'many.db'));
    const snapshots = createSnapshotStore(db, { storeId: 'one', limit: 100 });
    for (let n = 0; n < 250; n += 1) {
      snapshots.save(`v-${n}`, 'visitor/1', n, { n });
      snapshots.save('v-often', 'visitor/1', n, { n });
    }
    expect(snapshots.load('v-0', 'visitor/1')).toBeNull();
    expect(snapshots.load('v-249', 'visitor/1')).toEqual({ revision: 249, state: { n: 249 } });
    expect(snapshots.load('v-often', 'visitor/1')).toEqual({ revision: 249, state: { n: 249 } });
    expect(db.prepare('SELECT count(*) AS n FROM snapshots').get()?.n).toBeLessThanOrEqual(101);
    db.close();
  });

  test('are lost with a damaged file, which is created again', () => {
    const path = join(folder, 'damaged.db');
    writeFileSync(path, 'not a database, '.repeat(1000));
    const db = openSnapshotFile(path);
    expect(createSnapshotStore(db, { storeId: 'one' }).load('v-a', 'visitor/1')).toBeNull();
    db.close();
  });
});
