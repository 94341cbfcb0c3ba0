import type { Format } from '../format.ts';
import { readStderr, type Row, startedAs } from '../qemu-cases/answer.ts';
import { replayAnswer } from '../qemu-cases/replay-answer.ts';

interface Case extends Row {
  args: string[];
  started: boolean;
  blocked_reasons?: string[] | null;
}

/** What QEMU 7.2.22, 10.0.2 and 11.1.3 said to command lines without VFIO devices that could be opened. */
export const qemuAnswers: Format = {
  file: 'answers',
  *replay(content) {
    for (const { id, qemu, args, started, blocked_reasons, stderr } of (content as { cases: Case[] }).cases) {
      const { argv, ...version } = startedAs(qemu, args);
      const said = readStderr(stderr, argv);
      const answer = {
        id: `${id} (${qemu})`,
        ...version,
        argv,
        started,
        ...said,
        queryMigrate: blocked_reasons ?? [],
        stderr,
      };
      yield* replayAnswer(answer, () => ({}));
    }
  },
};
