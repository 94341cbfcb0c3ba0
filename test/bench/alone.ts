import { benches } from './benches.ts';

/** Runs the bench that the first argument names and sends its rows to the parent; in brief if the second is `short`. */
const [name, length] = process.argv.slice(2);
const bench = benches.find((each) => each.name === name);
if (!bench) throw new Error(`no bench is called ${name}`);
const rows = [await bench(length === 'short')].flat();
process.send?.(rows);
process.disconnect();
