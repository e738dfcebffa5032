import { expect, it } from 'vitest';
import { nameAtEnd } from '../../../src/actors/tenant/file-settings.ts';

it.each([
  ['a%20b.png', 'a b.png'],
  ['%E2%80%AEgnp.exe.png', 'gnp.exe.png'],
  ['..%2F..%5Cetc%2Fa%0Ab%00.txt', 'ab.txt'],
  ['%F0%9F%91%A9%E2%80%8D%F0%9F%92%BB.png', '👩‍💻.png'],
  ['%ff.png', '%ff.png'],
  ['', ''],
])('the name at the end of a link with %s is one that people may read', (end, name) => {
  expect(nameAtEnd(`https://chat.test/upload/x/${end}`)).toBe(name);
});
