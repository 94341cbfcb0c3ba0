import { describe, expect, it } from 'vitest';
import { isTooLate } from '../../src/http/load-shedding.ts';
import { Loop } from '../../src/http/turns.ts';

/** An event loop whose clock moves only when there is work, or nothing to do. */
function loopAt(): { loop: Loop; work: (milliseconds: number) => void; turn: () => boolean; now: () => number } {
  let time = 1000;
  const later: (() => void)[] = [];
  const now = (): number => time;
  return {
    loop: new Loop(now, (turn) => void later.push(turn)),
    work: (milliseconds) => (time += milliseconds),
    turn: () => {
      const next = later.shift();
      next?.();
      return next !== undefined;
    },
    now,
  };
}

describe('short requests', () => {
  it('have their turn at once where nothing else goes on', () => {
    const { loop } = loopAt();
    const waits: number[] = [];
    loop.short((waited) => waits.push(waited) > 0);
    expect(waits).toEqual([0]);
  });

  it('have one turn each, in their order, and are told how long they waited', () => {
    const { loop, work, turn } = loopAt();
    const begun: string[] = [];
    for (const name of ['a', 'b', 'c']) {
      loop.short((waited) => {
        begun.push(`${name} after ${waited}`);
        work(3);
        return true;
      });
    }
    expect(begun).toEqual(['a after 0']);
    turn();
    expect(begun).toEqual(['a after 0', 'b after 0']);
    turn();
    expect(begun).toEqual(['a after 0', 'b after 0', 'c after 3']);
    expect([turn(), turn()]).toEqual([true, false]);
  });

  it('that take next to nothing are begun together, as many as take a millisecond', () => {
    const { loop, work, turn } = loopAt();
    let begun = 0;
    const take = (milliseconds: number) => () => {
      begun++;
      work(milliseconds);
      return true;
    };
    for (let count = 0; count < 12; count++) loop.short(take(count < 8 ? 0.25 : 2));
    const counts = [begun];
    while (turn()) counts.push(begun);
    expect(counts).toEqual([1, 5, 9, 10, 11, 12, 12]);
  });

  it('that have no work to do use up no turn', () => {
    const { loop, turn } = loopAt();
    const begun: string[] = [];
    for (const name of ['a', 'b', 'c', 'd']) {
      loop.short(() => begun.push(name) > 0 && (name === 'a' || name === 'd'));
    }
    turn();
    expect(begun).toEqual(['a', 'b', 'c', 'd']);
  });

  it('are queued for as long as there always was one that waits', () => {
    const { loop, work, turn } = loopAt();
    const go = (): boolean => {
      work(10);
      return true;
    };
    expect(loop.queuedFor).toBe(0);
    loop.short(go);
    expect(loop.queuedFor).toBe(0);
    loop.short(go);
    loop.short(go);
    turn();
    expect(loop.queuedFor).toBe(10);
    loop.short(go);
    turn();
    expect(loop.queuedFor).toBe(20);
    turn();
    expect(loop.queuedFor).toBe(0);
  });
});

describe('long work', () => {
  it('gets a slice in each turn while no short request waits, each piece in its order', async () => {
    const { loop, turn } = loopAt();
    const begun: string[] = [];
    const piece = async (name: string): Promise<void> => {
      await loop.slice();
      begun.push(`${name}1`);
      await loop.slice();
      begun.push(`${name}2`);
    };
    const done = Promise.all([piece('a'), piece('b')]);
    for (let count = 0; count < 4; count++) {
      turn();
      await Promise.resolve();
    }
    await done;
    expect(begun).toEqual(['a1', 'b1', 'a2', 'b2']);
  });

  it('lets a short request that comes meanwhile wait for no more than the slice', async () => {
    const { loop, work, turn } = loopAt();
    const slices = [loop.slice(), loop.slice(), loop.slice()];
    turn();
    await slices[0];
    work(5);
    const waits: number[] = [];
    loop.short((waited) => waits.push(waited) > 0);
    turn();
    expect(waits).toEqual([0]);
  });

  it('gets a fifth of the time where short requests never run out', async () => {
    const { loop, work, turn, now } = loopAt();
    const slices: number[] = [];
    let shorts = 0;
    const long = async (): Promise<void> => {
      await loop.slice();
      slices.push(now());
      work(5);
      return long();
    };
    const short = (): void =>
      loop.short(() => {
        shorts++;
        work(1);
        short();
        return true;
      });
    void long();
    short();
    while (now() < 2000) {
      turn();
      await Promise.resolve();
      await Promise.resolve();
    }
    expect(slices.length).toBeGreaterThan(35);
    expect(slices.length).toBeLessThan(45);
    expect(shorts).toBeGreaterThan(750);
    expect(slices.slice(1).map((at, index) => at - (slices[index] ?? 0))).not.toContain(5);
  });
});

describe('connections that are accepted, of which each turn takes one', () => {
  it('come before work for half as long as the last piece of work took', () => {
    const { loop, work, turn } = loopAt();
    const begun: number[] = [];
    let turns = 0;
    for (let count = 0; count < 4; count++) {
      loop.short(() => {
        begun.push(turns);
        work(2);
        return true;
      });
    }
    for (; turns < 60; turns++) {
      // To accept one takes an eighth of a millisecond.
      work(0.125);
      loop.accepted();
      turn();
    }
    expect(begun).toEqual([0, 9, 19, 29]);
  });
});

/** What became of the requests of a second. */
interface Second {
  answered: number;
  refused: number;
  longest: number;
}

/** Requests that come evenly, as many a second as `rates` says second by second; an answer takes 1 ms, a refusal 0.05 ms. */
function offer(rates: readonly number[]): Second[] {
  const { loop, work, turn, now } = loopAt();
  const seconds = rates.map((): Second => ({ answered: 0, refused: 0, longest: 0 }));
  const start = now();
  const arrivals = rates.flatMap((rate, second) => Array.from({ length: rate }, (_, index) => second + index / rate));
  let next = 0;
  for (;;) {
    for (; next < arrivals.length && start + (arrivals[next] ?? 0) * 1000 <= now(); next++) {
      const second = seconds[Math.floor(arrivals[next] ?? 0)] as Second;
      loop.short((waited) => {
        const isRefused = isTooLate(waited, loop.queuedFor, 100);
        second[isRefused ? 'refused' : 'answered']++;
        second.longest = Math.max(second.longest, waited);
        work(isRefused ? 0.05 : 1);
        return !isRefused;
      });
    }
    if (turn()) continue;
    if (next === arrivals.length) return seconds;
    work(0.01);
  }
}

describe('of more requests than can be answered', () => {
  it.each([1.2, 2, 4, 8])('as much is answered as the refusals leave time for, of %f times as many', (times) => {
    const [, , ...settled] = offer(Array.from({ length: 8 }, () => 1000 * times));
    for (const { answered, refused, longest } of settled) {
      // 0.05 ms a refusal; what is left of the second is rounded by how often there is a refusal between two answers.
      expect(answered).toBeGreaterThan(0.95 * (1000 - refused * 0.05));
      expect(answered + refused).toBe(1000 * times);
      expect(longest).toBeLessThan(120);
    }
  });

  it('a burst is answered whole', () => {
    expect(offer([900, 900, 900])).toMatchObject([{ refused: 0 }, { refused: 0 }, { refused: 0 }]);
    const { loop, work, turn } = loopAt();
    const refused: boolean[] = [];
    for (let count = 0; count < 900; count++) {
      loop.short((waited) => {
        refused.push(isTooLate(waited, loop.queuedFor, 100));
        work(1);
        return true;
      });
    }
    while (turn());
    expect(refused).toHaveLength(900);
    expect(refused).not.toContain(true);
  });

  it('none is refused as soon as no more come than can be', () => {
    const after = offer([...Array.from({ length: 4 }, () => 2000), 500, 500]).slice(4);
    expect(after[0]?.refused).toBeLessThan(100);
    expect(after[1]).toMatchObject({ answered: 500, refused: 0 });
  });
});
