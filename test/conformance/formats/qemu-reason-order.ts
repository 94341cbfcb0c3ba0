import type { Format } from '../format.ts';
import { failureOf, readStderr, type Reply, type Row, startedAs } from '../qemu-cases/answer.ts';
import { replayAnswer } from '../qemu-cases/replay-answer.ts';

interface Case extends Row {
  args: string[];
  blocked_reasons: string[] | null;
  migrate: Reply | null;
}

/** What QEMU said to several devices that refuse migration, in `query-migrate` and to `migrate`. All on a q35. */
export const qemuReasonOrder: Format = {
  file: 'reason-order',
  *replay(content) {
    for (const { id, qemu, args, blocked_reasons, migrate, stderr } of content as Case[]) {
      const { argv, ...version } = startedAs(qemu, ['-machine', 'q35', ...args]);
      const said = { ...readStderr(stderr, argv), queryMigrate: blocked_reasons ?? [], stderr };
      const tried = migrate && { migrate: failureOf(migrate.error?.desc, undefined) };
      yield* replayAnswer(
        { id: `${id} (${qemu})`, ...version, argv, started: migrate !== null, ...said, ...tried },
        () => ({}),
      );
    }
  },
};
