import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Whether a program is on this machine; says so on the terminal where it is not, for a test that is left out then. */
export function isHere(program: string): boolean {
  const isThere = spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
  if (!isThere) console.warn(`There is no ${program} here: what needs it is NOT TESTED.`);
  return isThere;
}

/** A directory that goes away at the end. */
export class FakeHost implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), 'fake-host-'));

  /** Puts a file of this content there. */
  file(path: string, content: string, mode = 0o644): this {
    const place = join(this.root, path);
    mkdirSync(dirname(place), { recursive: true });
    writeFileSync(place, content);
    chmodSync(place, mode);
    return this;
  }

  /** Puts a symbolic link there. */
  link(path: string, target: string): this {
    const place = join(this.root, path);
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(target, place);
    return this;
  }

  /** Puts a command there that runs `script`, in front of those of this machine. */
  command(name: string, script: string): this {
    return this.file(join('bin', name), `#!/bin/sh\n${script}\n`, 0o755);
  }

  /** The environment in which its commands come first. */
  get env(): NodeJS.ProcessEnv {
    return { PATH: `${join(this.root, 'bin')}:${process.env['PATH']}`, HOST_FACTS_ROOT: this.root };
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true });
  }
}
