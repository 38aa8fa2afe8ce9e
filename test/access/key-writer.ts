/** A process that adds keys to a file, one by one, for a test with several. */
import { changeKeyFile } from '../../src/access/key-file.ts';
import { madeKey } from './scratch.ts';

const [file = '', count = ''] = process.argv.slice(2);

for (let i = 0; i < Number(count); i++) {
  await changeKeyFile(file, (records) => ({ records: [...records, madeKey().record], result: undefined }));
}
